"""What the filters do to completions that are right: how many of the true middles of infilling tasks stay as they are.

Tasks are JSON lines with `prompt`, `suffix` and `canonical_solution` (HumanEval-Infilling, Bavarian et al., arXiv
2207.14255). The middle is given to the cuts line by line, as if it were streamed, and to the rest as the editor's
automatic suggestions are. The cursor stands where an editor puts it: after the indentation of the middle's first line,
and the last line's end belongs to the text after it. Only totals are printed: nothing is to be tuned by single tasks.

    python benchmarks/filters.py --tasks single_line.jsonl --tasks multi_line.jsonl
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from assistant.engine.protocol import StopReason, Usage
from assistant.filters import Lines
from assistant.finishing import Surroundings, cuts_for, finish
from assistant.grammars import Grammar
from assistant.streaming import Stream

_PIECE = 4


class Replay:
    """A generation of a text that is known, in pieces of a few characters."""

    usage = Usage(0, 0, 0, 0, 0.0, 0.0, StopReason.END_TOKEN)

    def __init__(self, text: str) -> None:
        self._text = text

    def __iter__(self) -> Iterator[str]:
        """The pieces."""
        return (self._text[at : at + _PIECE] for at in range(0, len(self._text), _PIECE))

    def close(self) -> None:
        """Nothing is held."""


def filtered(before: str, middle: str, after: str, grammar: Grammar, *, automatic: bool) -> tuple[str, str]:
    """What the filters leave of a middle, and what is responsible."""
    asked = Lines.MANY if "\n" in middle else Lines.ONE
    around = Surroundings.read(before, after, grammar, asked)
    stream = Stream(cuts_for(around.lines, max_lines=1000), around.site)
    stream.read(Replay(middle))
    finished = finish(stream.text, around, stream.ending, automatic=automatic)
    if finished.refusal is not None:
        return "", finished.refusal.name.lower()
    return finished.text, stream.ending.value if stream.text != middle else "trims"


def at_cursor(record: dict[str, str]) -> tuple[str, str, str]:
    """Text before the cursor, the middle and the text after it, as in an editor."""
    before, middle, after = record["prompt"], record["canonical_solution"], record["suffix"]
    if not before or before.endswith("\n"):
        stripped = middle.lstrip(" \t")
        before += middle[: len(middle) - len(stripped)]
        middle = stripped
    kept = middle.rstrip()
    return before, kept, middle[len(kept) :] + after


def main() -> None:
    """Prints a line a file and one in all: middles left as they are, and what changed the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=Path, action="append", required=True)
    parser.add_argument("--grammar", type=Grammar, default=Grammar.PYTHON)
    parser.add_argument("--asked", action="store_true", help="as if asked for by a key: short middles are not refused")
    arguments = parser.parse_args()
    kept = tasks = 0
    for path in arguments.tasks:
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        changes: Counter[str] = Counter()
        for record in records:
            before, middle, after = at_cursor(record)
            text, responsible = filtered(before, middle, after, arguments.grammar, automatic=not arguments.asked)
            if text != middle:
                changes[responsible] += 1
        unchanged = len(records) - changes.total()
        kept, tasks = kept + unchanged, tasks + len(records)
        print(f"{path.stem:24} {unchanged:>4}/{len(records):<4} {unchanged / len(records):.4f}  {dict(changes)}")
    print(f"{'in all':24} {kept:>4}/{tasks:<4} {kept / tasks:.4f}")


if __name__ == "__main__":
    main()
