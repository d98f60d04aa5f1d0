"""How likely models find the true middle of infilling tasks, by the form of the prompt: nats a task, and a character.

The loss of a known text moves far less by chance than exact matches do, and takes one forward pass a prompt. What token
healing has the model write again is counted among the tokens that were possible there, so that forms which cut tokens
differently can be compared. Beside each mean stands its difference to the first form's with its standard error, by
pairs. The cursor is put as in infilling.py, whose tasks these are. For evaluation alone: only totals are printed.
With a journal, a run that was ended goes on where it was, and `--most` bounds what one run adds: every form of a task
follows the other, so that whatever is there by then can be compared.

    python benchmarks/middles.py --model base.gguf --tasks single_line.jsonl --sample 200
    python benchmarks/middles.py --model base.gguf --tasks random_span_light.jsonl --whole --journal spans.jsonl
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
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


@dataclass
class Journal:
    """Nats by task and form, kept in a file of JSON lines as they come; in memory alone without one."""

    path: Path | None
    nats: dict[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path is not None and self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                self.nats[entry["task"], entry["form"]] = entry["nats"]

    def add(self, task: str, form: str, nats: float) -> None:
        """Keeps a figure."""
        self.nats[task, form] = nats
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"task": task, "form": form, "nats": nats}) + "\n")


def name_of(task: Task) -> str:
    """A digest of the task, the cursor's place included."""
    return sha256("\0".join((task.before, task.after, task.answer)).encode()).hexdigest()[:16]


def heading(rows: str, unit: str) -> str:
    """The line above `row`s."""
    return f"{rows:30} {unit:>11} {'a character':>11} {'more':>9} {'s.e.':>9} {'likelier':>8} {'less':>6}"


def row(name: str, nats: npt.NDArray[np.float64], first: npt.NDArray[np.float64], characters: int) -> str:
    """A form's line of the table."""
    difference = nats - first
    error = float(difference.std(ddof=1)) / len(nats) ** 0.5 if len(nats) > 1 else float("nan")
    lower, higher = int((difference < 0).sum()), int((difference > 0).sum())
    figures = f"{nats.mean():11.3f} {nats.sum() / characters:11.4f} {difference.mean():+9.3f} {error:9.3f}"
    return f"{name:30} {figures} {lower:>8} {higher:>6}"


def main() -> None:
    """Prints a line a form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tasks", type=Path, required=True)
    parser.add_argument("--sample", type=int, default=96)
    parser.add_argument("--inside", action="store_true", help="cursor a third into the line")
    parser.add_argument("--whole", action="store_true", help="all that is missing is to be written, not a line")
    parser.add_argument("--forms", nargs="+", help="names of forms, the one that others are compared with first")
    parser.add_argument("--journal", type=Path, help="a file that keeps what is measured, of one model and cursor")
    parser.add_argument("--most", type=int, help="tasks that are measured at most, the journal's aside")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    make = whole_task if arguments.whole else partial(task_from, inside=arguments.inside)
    tasks = {name_of(task): task for task in read_tasks(arguments.tasks, arguments.sample, make) if task.answer.strip()}
    engine = LlamaEngine(arguments.model, LlamaOptions(threads=arguments.threads))
    vocabulary, forms = engine._model.vocabulary, Forms(find_fim_tokens(engine)).all()
    chosen, journal = arguments.forms or list(forms), Journal(arguments.journal)
    left = [task for task in tasks if any((task, form) not in journal.nats for form in chosen)][: arguments.most]
    wanted = [(task, form) for task in left for form in chosen if (task, form) not in journal.nats]
    continuations = [continuation(forms[form](tasks[task]), tasks[task], vocabulary) for task, form in wanted]
    losses = continuation_losses(arguments.model, continuations, arguments.threads)
    for (task, form), loss in zip(wanted, losses, strict=True):
        journal.add(task, form, float(loss.sum()))
    engine.close()
    done = [task for task in tasks if all((task, form) in journal.nats for form in chosen)]
    characters = sum(len(tasks[task].answer) for task in done)
    print(f"{len(done)} tasks of {arguments.tasks.stem}, {arguments.model}")
    print(heading("prompt", "nats a task"))
    first = np.array([journal.nats[task, chosen[0]] for task in done])
    for form in chosen if done else ():
        print(row(form, np.array([journal.nats[task, form] for task in done]), first, characters))


if __name__ == "__main__":
    main()
