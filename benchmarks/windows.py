"""What a shorter prompt costs: a line of a project's files by the text around the cursor, and by other files' chunks.

Prompts are those of `sned lsp`: so many tokens around the cursor, four of five before it, and with `+N` so many tokens
of other files' chunks at most, as they are chosen in a file that was just opened. The cursor stands at the beginning of
a line, after its indentation, with at least a whole window of the largest before it. For each form: nats of the true
line, with the difference to the first form's and its standard error, by pairs; and with `--write` what is written
greedily up to the line's end: lines that are right, and their edit similarity (1 - Levenshtein distance / length of the
longer text). That tells less of as many tokens.
With a journal, a run that was ended goes on where it was.

    python benchmarks/windows.py --model base.gguf --project FOLDER --sample 48
"""

import argparse
import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from context import RelatedChunks, python_files
from infilling import Task, written
from middles import continuation, heading, row

from assistant.context.types import Chunk
from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Prompt
from assistant.evaluation.similarity import edit_similarity
from assistant.fim import FileName, fim_prompt, find_fim_tokens
from assistant.perplexity import continuation_losses
from assistant.window import WindowSize, window_after, window_before

# About as many as the largest window takes.
_LINES_ABOVE = 60
# Tasks that are measured together: the model is loaded once for each.
_AT_ONCE = 16


@dataclass(frozen=True)
class Spot:
    """A line to be written in a file."""

    path: Path
    text: str
    offset: int
    answer: str

    @property
    def task(self) -> Task:
        """The file without the line's text."""
        return Task(self.text[: self.offset], self.text[self.offset + len(self.answer) :], self.answer)


@dataclass(frozen=True)
class Form:
    """Tokens of a prompt: around the cursor, and of chunks."""

    around: int
    chunks: int

    @classmethod
    def read(cls, text: str) -> "Form":
        """`200` or `200+256`."""
        around, _, chunks = text.partition("+")
        return cls(int(around), int(chunks or 0))


def spots(project: Path, sample: int) -> list[Spot]:
    """Lines of Python files that are not blank, far enough below the first: a fixed sample, each of another place."""
    found = []
    for file in sorted(python_files(project), key=lambda file: file.name):
        path = Path(file.path)
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        for number in range(_LINES_ABOVE, len(lines)):
            line = lines[number]
            indentation = line[: len(line) - len(line.lstrip())]
            if line.strip():
                offset = sum(map(len, lines[:number])) + len(indentation)
                found.append(Spot(path, "".join(lines), offset, line.strip()))
    return random.Random(0).sample(found, min(sample, len(found)))


class Prompts:
    """Makes the prompts for a project's places."""

    def __init__(self, project: Path, engine: LlamaEngine, forms: list[Form]) -> None:
        self._project = project
        self._engine = engine
        self._fim = find_fim_tokens(engine)
        self._related = {
            form.chunks: RelatedChunks(project, engine.count_tokens, form.chunks) for form in forms if form.chunks
        }

    def prompt(self, spot: Spot, form: Form) -> Prompt:
        """The prompt for a place in a form."""
        size, task = WindowSize().within(form.around), spot.task
        before = window_before(task.before, size, self._engine.count_tokens)
        after = window_after(task.after, size, self._engine.count_tokens)
        file = FileName(self._project.name, spot.path.relative_to(self._project).as_posix())
        return fim_prompt(self._fim, before, after, self._chunks(spot, form), file)

    def _chunks(self, spot: Spot, form: Form) -> tuple[Chunk, ...]:
        if not form.chunks:
            return ()
        text = spot.text[: spot.offset] + spot.text[spot.offset + len(spot.answer) :]
        return self._related[form.chunks].of_opened(spot.path, text, spot.offset)


def main() -> None:
    """Prints a line a form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--sample", type=int, default=48)
    parser.add_argument("--forms", nargs="+", default=["640+256", "640", "200+256", "200", "128"])
    parser.add_argument("--write", action="store_true", help="have the lines written as well")
    parser.add_argument("--journal", type=Path, help="a file that keeps what is measured, of one model and project")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    project = arguments.project.resolve()
    sample = spots(project, arguments.sample)
    done = _read(arguments.journal)
    engine = LlamaEngine(arguments.model, LlamaOptions(threads=arguments.threads))
    prompts = Prompts(project, engine, [Form.read(name) for name in arguments.forms])
    vocabulary = engine._model.vocabulary
    left = [number for number in range(len(sample)) if any((number, form) not in done for form in arguments.forms)]
    for start in range(0, len(left), _AT_ONCE):
        wanted = [(number, form) for number in left[start : start + _AT_ONCE] for form in arguments.forms]
        made = [prompts.prompt(sample[number], Form.read(form)) for number, form in wanted]
        tasks = [sample[number].task for number, _ in wanted]
        continuations = [continuation(prompt, task, vocabulary) for prompt, task in zip(made, tasks, strict=True)]
        texts = [written(engine, *each) if arguments.write else "" for each in zip(made, tasks, strict=True)]
        losses = continuation_losses(arguments.model, continuations, arguments.threads)
        for which, text, loss in zip(wanted, texts, losses, strict=True):
            done[which] = (float(loss.sum()), text)
            _keep(arguments.journal, which, done[which])
    engine.close()
    _report(sample, done, arguments.forms, write=arguments.write)


def _report(
    sample: list[Spot], done: dict[tuple[int, str], tuple[float, str]], forms: list[str], *, write: bool
) -> None:
    characters = sum(len(spot.answer) for spot in sample)
    more = f" {'right':>7} {'similar':>8}" if write else ""
    print(f"{len(sample)} lines\n{heading('tokens around the cursor', 'nats a line')}{more}")
    numbers = range(len(sample))
    first = np.array([done[number, forms[0]][0] for number in numbers])
    for form in forms:
        nats = np.array([done[number, form][0] for number in numbers])
        pairs = [(done[number, form][1].rstrip(), sample[number].answer) for number in numbers]
        right = sum(text == answer for text, answer in pairs)
        similar = sum(edit_similarity(text, answer) for text, answer in pairs) / len(pairs)
        more = f" {right:>7} {similar:>8.3f}" if write else ""
        print(f"{row(form, nats, first, characters)}{more}")


def _read(journal: Path | None) -> dict[tuple[int, str], tuple[float, str]]:
    if journal is None or not journal.exists():
        return {}
    entries = map(json.loads, journal.read_text(encoding="utf-8").splitlines())
    return {(entry["line"], entry["form"]): (entry["nats"], entry["text"]) for entry in entries}


def _keep(journal: Path | None, which: tuple[int, str], measured: tuple[float, str]) -> None:
    if journal is not None:
        with journal.open("a", encoding="utf-8") as file:
            entry = {"line": which[0], "form": which[1], "nats": measured[0], "text": measured[1]}
            file.write(json.dumps(entry) + "\n")


if __name__ == "__main__":
    main()
