"""What typing costs: `sned lsp` beside llama.cpp's llama-server with llama.vim's requests, on the same model and keys.

A file's history is typed again, a commit after another, by a person with pauses, mistakes and jumps who takes a
suggestion when it says what they mean to write. All changes are made with one server, then with the other: in turns,
each would have rests to evaluate something in that no person made. What opening the file costs is a line of its own.
The project is the repository as it was before the first of the commits.

    python benchmarks/typing --model base.gguf --llama-server PATH/llama-server

What a server evaluates depends on how often it is fast enough to be asked at all. With `--patient` every request is
answered, as on a machine that is fast enough for both: then its counts tell, and its times do not.

llama-server is built from llama.cpp's sources, which llama-cpp-python's source distribution holds:
`cmake -B build -DCMAKE_BUILD_TYPE=Release -DLLAMA_BUILD_TESTS=OFF -DLLAMA_CURL=OFF`, target `llama-server`.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite
from pathlib import Path
from random import Random
from statistics import quantiles

import psutil
from editor import Assistant, Editor, Measures
from keystrokes import Edit, Stroke, arriving, deleting, edits, first_key, typing, versions
from language_server import LanguageServer
from llama_vim import LlamaVim

_QUIET = 0.05  # of a core
# In milliseconds. A percentile tells only of keystrokes that got a suggestion at all; these tell of all.
_LIMITS = (75, 150)
_LONGEST_QUIETING = 15.0
# Who opens a file reads in it first, and its server may read as well.
_READING_SECONDS = 10.0


@dataclass
class Seat:
    """A person's place: an assistant, its process and the editor; one who is `patient` waits for each answer."""

    assistant: Assistant
    process: psutil.Process
    editor: Editor
    patient: bool = False


async def make(seat: Seat, edit: Edit, number: int) -> None:
    """Makes an edit as a person would, and waits until the server is quiet again."""
    editor = seat.editor
    await asyncio.sleep(arriving(Random(f"{number} arriving")))
    editor.cursor = edit.offset + edit.removed
    seat.assistant.struck(editor.strike(0, ""))
    for stroke in deleting(edit, Random(f"{number} deleting")):
        await strike(seat, stroke)
    position = 0
    while position < len(edit.inserted):
        for stroke in typing(edit.inserted, position, Random(f"{number} {position}")):
            position += await strike(seat, stroke, edit.inserted[position:])
    if seat.patient:
        await seat.assistant.answered()
    await quiet(seat.process)


async def count(seat: Seat, sign: int) -> None:
    """Takes note of what the server has used so far: taken off (-1) at the beginning, and added (1) at the end."""
    measures = seat.editor.measures
    measures.cpu += sign * _cpu(seat.process)
    measures.evaluated += sign * await seat.assistant.evaluated_tokens()


async def strike(seat: Seat, stroke: Stroke, meant: str = "") -> int:
    """Pauses and makes a stroke, or takes what is suggested instead; gives how much of `meant` is written then."""
    await asyncio.sleep(stroke.pause)
    if seat.patient:
        await seat.assistant.answered()
    measures = seat.editor.measures
    taken = seat.editor.wanted(meant) if stroke.looks else ""
    measures.taken += len(taken)
    measures.looks += stroke.looks
    measures.seen += stroke.looks and seat.editor.hint is not None
    inserted = taken or stroke.inserted
    seat.assistant.struck(seat.editor.strike(stroke.removed, inserted))
    return 0 if stroke.mistyped or stroke.removed else len(inserted)


async def quiet(process: psutil.Process) -> None:
    """Waits until a process does nothing, for some seconds at most."""
    until = time.monotonic() + _LONGEST_QUIETING
    while time.monotonic() < until:
        before = _cpu(process)
        await asyncio.sleep(0.5)
        if _cpu(process) - before <= _QUIET * 0.5:
            return


def report(measures: dict[str, Measures]) -> None:
    """Prints a column for each assistant, and what the first has for one of the last."""
    rows: dict[str, list[float]] = {
        "p50 of keystroke to suggestion, ms": [1000 * _percentile(each.delays, 50) for each in measures.values()],
        "p95 of keystroke to suggestion, ms": [1000 * _percentile(each.delays, 95) for each in measures.values()],
        **{
            f"within {limit} ms per 100 keystrokes": [
                100 * sum(delay <= limit / 1000 for delay in each.delays) / each.strokes for each in measures.values()
            ]
            for limit in _LIMITS
        },
        "suggestions per 100 keystrokes": [100 * len(each.delays) / each.strokes for each in measures.values()],
        "suggestions there per 100 looks": [100 * each.seen / max(each.looks, 1) for each in measures.values()],
        "tokens evaluated per keystroke": [each.evaluated / each.strokes for each in measures.values()],
        # Of an assistant that shows nothing, little is evaluated: these tell what it was for.
        "tokens evaluated per suggestion": [_per(each.evaluated, len(each.delays)) for each in measures.values()],
        "tokens evaluated per character taken": [_per(each.evaluated, each.taken) for each in measures.values()],
        "CPU seconds per 100 keystrokes": [100 * each.cpu / each.strokes for each in measures.values()],
        "characters taken of 100 written": [100 * each.taken / each.characters for each in measures.values()],
        # In a line with more than some characters behind the cursor llama.vim does not ask.
        "keystrokes that ask, of 100": [100 * each.asked / each.strokes for each in measures.values()],
        "keystrokes": [each.strokes for each in measures.values()],
        "tokens evaluated at the opening": [each.opening for each in measures.values()],
    }
    print(f"{'':36}" + "".join(f"{name:>12}" for name in measures) + f"{'ratio':>8}")
    for name, figures in rows.items():
        ratio = f"{figures[0] / figures[-1]:8.2f}" if isfinite(figures[-1]) and figures[-1] else ""
        print(f"{name:36}" + "".join(f"{figure:12.1f}" for figure in figures) + ratio)


async def run(arguments: argparse.Namespace) -> None:
    """Types the history with both, and reports."""
    history = versions(arguments.repository, arguments.file, arguments.commits)
    texts = [text for _, text in history]
    with tempfile.TemporaryDirectory() as folder:
        project, home = Path(folder) / "project", Path(folder) / "home"
        project.mkdir()
        archive = subprocess.run(
            ["git", "-C", arguments.repository, "archive", history[0][0]], check=True, capture_output=True
        )
        subprocess.run(["tar", "-x", "-C", project], input=archive.stdout, check=True)
        assistants: list[Assistant] = [
            LanguageServer(arguments.sned, arguments.model, home, arguments.threads),
            LlamaVim(arguments.llama_server, arguments.model, arguments.context, arguments.threads),
        ]
        made = _until(arguments.strokes, [edit for old, new in pairwise(texts) for edit in edits(old, new)])
        editors = {assistant.name: Editor(Path(arguments.file), texts[0]) for assistant in assistants}
        for assistant in assistants:
            editor = editors[assistant.name]
            seat = Seat(assistant, await assistant.start(project, editor), editor, arguments.patient)
            try:
                await use(seat, made)
            finally:
                await assistant.stop()
        if len({editor.text for editor in editors.values()}) > 1:
            raise AssertionError("with the one and the other, the same edits made different texts")
        report({name: editor.measures for name, editor in editors.items()})


async def use(seat: Seat, made: list[Edit]) -> None:
    """Reads the file that was opened, and makes the edits."""
    await asyncio.sleep(_READING_SECONDS)
    await quiet(seat.process)
    await count(seat, -1)
    seat.editor.measures.opening = -seat.editor.measures.evaluated
    for number, edit in enumerate(made):
        await make(seat, edit, number)
    await quiet(seat.process)
    await count(seat, 1)


def _until(strokes: int, made: list[Edit]) -> list[Edit]:
    """The first edits that somebody who takes no suggestion makes with so many strokes."""
    counted = 0
    for number, edit in enumerate(made):
        if counted >= strokes:
            return made[:number]
        counted += sum(1 for _ in deleting(edit, Random(0))) + _keys(edit.inserted)
    return made


def _keys(text: str) -> int:
    keys = position = 0
    while position < len(text):
        position += len(first_key(text[position:]))
        keys += 1
    return keys


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _per(amount: float, count: int) -> float:
    return amount / count if count else inf


def _percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else float("nan")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--llama-server", type=Path, required=True)
    parser.add_argument("--sned", type=Path, default=Path(sys.executable).with_name("sned"), help="another version's")
    parser.add_argument("--repository", type=Path, default=Path())
    parser.add_argument("--file", default="assistant/suggestion/suggester.py", help="a Python file, by its path there")
    parser.add_argument("--commits", type=int, default=10, help="the last so many of those that changed the file")
    parser.add_argument(
        "--strokes",
        type=int,
        default=500,
        help="ends after the change that has so many made, none being taken from suggestions",
    )
    parser.add_argument("--context", type=int, default=4096, help="llama-server's tokens of context; sned has as many")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--patient", action="store_true", help="no key is struck before the last one's answer is there")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
