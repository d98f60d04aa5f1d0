"""What chunks of other files do to one-line infilling: exact matches without, with unrelated and with related ones.

    python benchmarks/context.py --model base.gguf --tasks single_line.jsonl --sample 48
    python benchmarks/context.py --model base.gguf --project . --sample 44

With `--tasks` (HumanEval-Infilling's single-line set, see infilling.py) the chunks have nothing to do with the task:
they show whether text in front breaks infilling. With `--project` the tasks are made of that project's own Python
files: the cursor stands in a call of a function that another file defines, after the opening bracket, and the rest of
the line is to be written; related chunks are those that `ContextBuilder` chooses there, in a file that was just opened,
or where the file is being typed: some lines before, where typing began, and at the cursor once the engine was idle. A
name's calls after the first in a file are left out, as the first shows how it is called.
"""

import argparse
import ast
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infilling import Task, read_tasks, share, task_from, written

from assistant.context.builder import ContextBuilder
from assistant.context.types import Chunk
from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Prompt
from assistant.fim import FileName, fim_prompt, find_fim_tokens
from assistant.project_files import ProjectFile, project_files
from assistant.suggestion.types import Buffer, SuggestionRequest
from assistant.window import WindowSize, window_after, window_before

LINES = 24
# Typing began at the start of the line that is so far before the cursor: the cursor has not moved to another place.
TYPED = 400


@dataclass(frozen=True)
class CallTask:
    """A call in a file, the cursor after its opening bracket."""

    path: Path
    text: str
    offset: int
    name: str

    def defined_in(self, chunks: tuple[Chunk, ...]) -> bool:
        """Whether one of the chunks has the definition of what is called."""
        return any(f"def {self.name}(" in chunk.text or f"class {self.name}" in chunk.text for chunk in chunks)

    @property
    def answer(self) -> str:
        """The rest of the line."""
        return self.text[self.offset :].split("\n", 1)[0]


def call_tasks(root: Path, sample: int) -> list[CallTask]:
    """A fixed sample of the project's calls of its own functions in other files, in a fixed order."""
    own = {Path(file.name).with_suffix("").as_posix().replace("/", ".") for file in python_files(root)}
    tasks = [
        task
        for file in sorted(python_files(root), key=lambda file: file.name)
        for task in calls_in(Path(file.path), own)
    ]
    return random.Random(0).sample(tasks, min(sample, len(tasks)))


def python_files(root: Path) -> Iterator[ProjectFile]:
    """The project's Python files, without tests, whose calls are much alike."""
    for file in project_files(root, lambda error: None):
        if file.name.endswith(".py") and not file.name.startswith("tests/"):
            yield file


def calls_in(path: Path, modules: set[str]) -> Iterator[CallTask]:
    """The first call in the file of each function or class that it imports from one of `modules`."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in modules
        for alias in node.names
        if not alias.asname
    }
    lines = text.splitlines(keepends=True)
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        name = call.func.id
        if name not in imported or not (call.args or call.keywords):
            continue
        column = len(lines[call.lineno - 1].encode()[: call.func.end_col_offset].decode()) + 1
        offset = sum(map(len, lines[: call.lineno - 1])) + column
        if text[offset - 1] == "(" and text[offset] != "\n":
            imported.remove(name)
            yield CallTask(path, text, offset, name)


def unrelated_chunks(root: Path) -> tuple[Chunk, ...]:
    """The beginnings of some files of the project, always the same: as many tokens as related ones take, about."""
    files = sorted(python_files(root), key=lambda file: file.name)[:60:20]
    texts = (Path(file.path).read_text(encoding="utf-8").splitlines(keepends=True)[:LINES] for file in files)
    return tuple(Chunk(file.name, "".join(lines)) for file, lines in zip(files, texts, strict=True))


class RelatedChunks:
    """What `ContextBuilder` chooses for a task, from the project as it is."""

    def __init__(self, root: Path, count_tokens: Callable[[str], int], budget: int) -> None:
        self._builder = ContextBuilder(root, count_tokens)
        self._budget = budget
        self._nowhere = SuggestionRequest(Buffer((root / "new.py").as_uri(), root / "new.py", "python", 0, ""), 0)
        self.seconds: list[float] = []

    def of_opened(self, path: Path, text: str, offset: int) -> tuple[Chunk, ...]:
        """The chunks when a file has just been opened; nothing else is open."""
        request = self._begin(path, text, offset)
        started = time.perf_counter()
        chunks = self._builder.chunks(request, self._budget)
        self.seconds.append(time.perf_counter() - started)
        self._builder.closed(request.buffer.uri)
        return chunks

    def of_typed(self, task: CallTask) -> tuple[tuple[Chunk, ...], tuple[Chunk, ...]]:
        """The chunks that were chosen where typing began, and those at the cursor once the engine was idle."""
        start = task.text.rfind("\n", 0, max(task.offset - TYPED, 0)) + 1
        rest = task.text[task.offset + len(task.answer) :]
        early = self._builder.chunks(self._begin(task.path, task.text[:start] + rest, start), self._budget)
        typed = Buffer(task.path.as_uri(), task.path, "python", 1, task.text[: task.offset] + rest)
        request = SuggestionRequest(typed, task.offset)
        assert self._builder.chunks(request, self._budget) == early
        if (choice := self._builder.reconsider(request, self._budget)) is not None:
            self._builder.adopt(choice)
        late = self._builder.chunks(request, self._budget)
        self._builder.closed(typed.uri)
        return early, late

    def _begin(self, path: Path, text: str, offset: int) -> SuggestionRequest:
        """A request in a document that is new; it begins with no other's chunks."""
        self._builder.chunks(self._nowhere, 0)
        self._builder.wait_for_index()
        return SuggestionRequest(Buffer(path.as_uri(), path, "python", 0, text), offset)


def report(engine: LlamaEngine, tasks: list[Task], prompts: dict[str, Callable[[int], Prompt]]) -> None:
    """Prints a line for each kind of prompt: exact matches, matches but for white space in front, seconds."""
    print(f"{'prompt':36} {'exact':>11} {'stripped':>11}")
    for name, prompt_of in prompts.items():
        started = time.perf_counter()
        texts = [written(engine, prompt_of(index), task) for index, task in enumerate(tasks)]
        exact = sum(text.rstrip() == task.answer.rstrip() for text, task in zip(texts, tasks, strict=True))
        stripped = sum(text.strip() == task.answer.strip() for text, task in zip(texts, tasks, strict=True))
        seconds = time.perf_counter() - started
        print(f"{name:36} {share(exact, len(tasks))} {share(stripped, len(tasks))}  {seconds:.0f} s", flush=True)


def measure_tasks(engine: LlamaEngine, path: Path, options: argparse.Namespace) -> None:
    """Infilling with unrelated chunks in front, in each form they can have."""
    tasks = read_tasks(path, options.sample, partial(task_from, inside=options.inside))
    fim = find_fim_tokens(engine)
    plain = fim.model_copy(update={"repo_name": None, "file_separator": None})
    chunks = unrelated_chunks(Path(__file__).parent.parent)
    named = FileName("project", "solution.py")
    forms = {
        "alone": (fim, (), None),
        "repository format": (fim, chunks, named),
        "repository format, own file unnamed": (fim, chunks, None),
        "under comments": (plain, chunks, None),
    }
    report(
        engine,
        tasks,
        {
            name: lambda index, form=form: fim_prompt(form[0], tasks[index].before, tasks[index].after, *form[1:])
            for name, form in forms.items()
        },
    )


def measure_project(engine: LlamaEngine, root: Path, options: argparse.Namespace) -> None:
    """Calls of functions in other files, with and without what the context builder finds of them."""
    calls = call_tasks(root, options.sample)
    size = WindowSize(before=256, after=64)
    tasks = [
        Task(
            window_before(call.text[: call.offset], size, engine.count_tokens),
            window_after(call.text[call.offset + len(call.answer) :], size, engine.count_tokens),
            call.answer,
        )
        for call in calls
    ]
    fim, unrelated = find_fim_tokens(engine), unrelated_chunks(root)
    related = RelatedChunks(root, engine.count_tokens, options.budget)
    chosen = [related.of_opened(call.path, call.text, call.offset) for call in calls]
    typed = [related.of_typed(call) for call in calls]
    exchanged = sum(early != late for early, late in typed)
    defined = [sum(call.defined_in(each[which]) for call, each in zip(calls, typed, strict=True)) for which in (0, 1)]
    print(
        f"typing: {exchanged} of {len(calls)} prompts exchanged when idle; "
        f"with the definition of what is called: {defined[0]} before, {defined[1]} after"
    )
    names = [FileName(root.resolve().name, call.path.relative_to(root.resolve()).as_posix()) for call in calls]

    def prompt_with(index: int, chunks: tuple[Chunk, ...]) -> Prompt:
        return fim_prompt(fim, tasks[index].before, tasks[index].after, chunks, names[index])

    print(f"choosing chunks: median {sorted(related.seconds)[len(calls) // 2] * 1000:.0f} ms")
    report(
        engine,
        tasks,
        {
            "alone": lambda index: prompt_with(index, ()),
            "unrelated chunks": lambda index: prompt_with(index, unrelated),
            "related chunks": lambda index: prompt_with(index, chosen[index]),
            "related where typing began": lambda index: prompt_with(index, typed[index][0]),
            "related once the engine was idle": lambda index: prompt_with(index, typed[index][1]),
        },
    )


def main() -> None:
    """Measures one of the two kinds of task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--tasks", type=Path)
    what.add_argument("--project", type=Path)
    parser.add_argument("--sample", type=int, default=48)
    parser.add_argument("--budget", type=int, default=512, help="tokens of related chunks")
    parser.add_argument("--inside", action="store_true", help="with --tasks: cursor a third into the line")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    engine = LlamaEngine(options.model, LlamaOptions(threads=options.threads))
    if options.tasks:
        measure_tasks(engine, options.tasks, options)
    else:
        measure_project(engine, options.project.resolve(), options)
    engine.close()


if __name__ == "__main__":
    main()
