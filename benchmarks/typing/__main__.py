"""What typing costs: `sned lsp` beside llama.cpp's llama-server with llama.vim's requests, on the same model and keys.

A file's history is typed again, a commit after another, by a person with pauses, mistakes and jumps who takes a
suggestion when it says what they mean to write. Each change is made with one server, then with the other, so that what
else the machine does troubles both. The project is the repository as it was before the first of the commits.

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
from keystrokes import Edit, Stroke, deleting, edits, typing, versions
from language_server import LanguageServer
from llama_vim import LlamaVim

_QUIET = 0.05  # of a core
# In milliseconds. A percentile tells only of keystrokes that got a suggestion at all; these tell of all.
_LIMITS = (75, 150)
_LONGEST_QUIETING = 15.0


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
    await asyncio.sleep(1)
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
    """Takes note of what the server has used so far: to be taken off (-1) at the beginning, and added (1) at the end.

    What it does while the other one is typed with counts as well: both evaluate ahead once the cursor rests.
    """
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
        seats = []
        for assistant in assistants:
            editor = Editor(Path(arguments.file), texts[0])
            process = await assistant.start(project, editor)
            seats.append(Seat(assistant, process, editor, arguments.patient))
            await quiet(seats[-1].process)
            await count(seats[-1], -1)
        for number, edit in enumerate(edit for old, new in pairwise(texts) for edit in edits(old, new)):
            if all(seat.editor.measures.strokes >= arguments.strokes for seat in seats):
                break
            for seat in seats:
                await make(seat, edit, number)
            if seats[0].editor.text != seats[-1].editor.text:
                raise AssertionError(f"with the one and the other, edit {number} made different texts")
        for seat in seats:
            await quiet(seat.process)
            await count(seat, 1)
        report({seat.assistant.name: seat.editor.measures for seat in seats})
        for seat in seats:
            await seat.assistant.stop()


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
    parser.add_argument("--strokes", type=int, default=500, help="ends after the change that has so many made")
    parser.add_argument("--context", type=int, default=4096, help="llama-server's tokens of context; sned has as many")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--patient", action="store_true", help="no key is struck before the last one's answer is there")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
