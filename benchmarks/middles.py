"""How likely models find the true middle of infilling tasks, by the form of the prompt: nats a task, and a character.

The loss of a known text moves far less by chance than exact matches do, and takes one forward pass a prompt. What token
healing has the model write again is counted among the tokens that were possible there, so that forms which cut tokens
differently can be compared. Beside each mean stands its difference to the first form's with its standard error, by
pairs. The cursor is put as in infilling.py, whose tasks these are. For evaluation alone: only totals are printed.

    python benchmarks/middles.py --model base.gguf --tasks single_line.jsonl --sample 200
    python benchmarks/middles.py --model base.gguf --tasks random_span_light.jsonl --whole --forms "suffix first"
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from infilling import Task, read_tasks, task_from, whole_task

from assistant.catalog import FimTokens
from assistant.engine.healing import Constraint, heal
from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Prompt, Segment
from assistant.engine.vocabulary import Vocabulary
from assistant.fim import fim_prompt, find_fim_tokens
from assistant.perplexity import Continuation, continuation_losses

_PATH = "solution.py"
# The suffix's beginning that a prompt which cannot keep the cache could afford at each key.
_SHORT_LINES = 4


@dataclass(frozen=True)
class Forms:
    """Prompts for one model's tokens, each form a method of a task."""

    fim: FimTokens

    def suffix_first(self, task: Task) -> Prompt:
        """As prompts without other files' chunks are served."""
        return fim_prompt(self.fim.model_copy(update={"order": "suffix-first"}), task.before, task.after)

    def prefix_first(self, task: Task) -> Prompt:
        """As most models are documented."""
        return fim_prompt(self.fim.model_copy(update={"order": "prefix-first"}), task.before, task.after)

    def short_suffix(self, task: Task) -> Prompt:
        """Prefix first, with some lines of the suffix only."""
        after = "".join(task.after.splitlines(keepends=True)[: _SHORT_LINES + 1])
        return self.prefix_first(Task(task.before, after, task.answer, task.whole))

    def bare(self, task: Task) -> Prompt:
        """Suffix first, with nothing in front of the first special token."""
        segments = self.suffix_first(task).segments
        first = next(index for index, each in enumerate(segments) if each.special and each.text == self.fim.prefix)
        return Prompt(segments[first:], healed=True)

    def headed(self, *head: Segment) -> Callable[[Task], Prompt]:
        """Suffix first, with other text or tokens in front."""
        return lambda task: Prompt((*head, *self.bare(task).segments), healed=True)

    def all(self) -> dict[str, Callable[[Task], Prompt]]:
        """The forms by their names."""
        separator = self.fim.file_separator
        named = [Segment(separator, special=True), Segment(f"{_PATH}\n")] if separator else []
        return {
            "suffix first": self.suffix_first,
            "nothing in front": self.bare,
            "a newline in front": self.headed(Segment("\n")),
            "the path in front": self.headed(Segment(f"# {_PATH}\n")),
            **({"separator and path in front": self.headed(*named)} if named else {}),
            "prefix first": self.prefix_first,
            "prefix first, short suffix": self.short_suffix,
        }


def continuation(prompt: Prompt, task: Task, vocabulary: Vocabulary) -> Continuation:
    """The prompt's tokens, and those of the middle after what is healed of them."""
    tokens = list(vocabulary.first)
    wanted = b""
    for number, segment in enumerate(prompt.segments):
        if segment.special:
            special = vocabulary.special(segment.text)
            assert special is not None, f"the model has no token {segment.text}"
            tokens.append(special)
        elif prompt.healed and number == len(prompt.segments) - 1:
            healed = heal(segment.text, vocabulary)
            tokens += healed.tokens
            wanted = healed.wanted
        else:
            tokens += vocabulary.tokenize(segment.text)
    begin, among = len(tokens), {}
    tokens += vocabulary.tokenize(wanted.decode("utf-8", errors="replace") + task.answer)
    constraint = Constraint(wanted, vocabulary)
    for place in range(begin, len(tokens)):
        if not constraint.active:
            break
        among[place] = constraint.allowed()
        constraint.accept(vocabulary.piece(tokens[place]))
    return Continuation(np.array(tokens, np.int32), begin, among)


def row(name: str, nats: npt.NDArray[np.float64], first: npt.NDArray[np.float64], characters: int) -> str:
    """A form's line of the table."""
    difference = nats - first
    error = float(difference.std(ddof=1)) / len(nats) ** 0.5
    return f"{name:30} {nats.mean():11.3f} {nats.sum() / characters:11.4f} {difference.mean():+9.3f} {error:9.3f}"


def main() -> None:
    """Prints a line a form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tasks", type=Path, required=True)
    parser.add_argument("--sample", type=int, default=96)
    parser.add_argument("--inside", action="store_true", help="cursor a third into the line")
    parser.add_argument("--whole", action="store_true", help="all that is missing is to be written, not a line")
    parser.add_argument("--forms", nargs="+", help="names of forms, the one that others are compared with first")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    make = whole_task if arguments.whole else partial(task_from, inside=arguments.inside)
    tasks = [task for task in read_tasks(arguments.tasks, arguments.sample, make) if task.answer.strip()]
    characters = sum(len(task.answer) for task in tasks)
    engine = LlamaEngine(arguments.model, LlamaOptions(threads=arguments.threads))
    vocabulary, forms = engine._model.vocabulary, Forms(find_fim_tokens(engine)).all()
    print(f"{len(tasks)} tasks of {arguments.tasks.stem}, {arguments.model}")
    print(f"{'prompt':30} {'nats a task':>11} {'a character':>11} {'more':>9} {'s.e.':>9}")
    first = None
    for name in arguments.forms or forms:
        started = time.perf_counter()
        continuations = [continuation(forms[name](task), task, vocabulary) for task in tasks]
        losses = continuation_losses(arguments.model, continuations, arguments.threads)
        nats = np.array([float(each.sum()) for each in losses])
        first = nats if first is None else first
        print(f"{row(name, nats, first, characters)}  {time.perf_counter() - started:.0f} s", flush=True)
    engine.close()


if __name__ == "__main__":
    main()
