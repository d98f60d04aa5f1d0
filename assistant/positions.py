"""Positions in files, as editors show them: lines and columns counted from 1, columns in characters."""

import re
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import UsageError

# From the right: a Windows path has a colon of its own.
_POSITION = re.compile(r"(?P<path>.+):(?P<line>\d+):(?P<column>\d+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file: the character before which the cursor stands. Columns count Unicode code points."""

    path: Path
    line: int
    column: int


def parse_position(text: str) -> Position:
    """The position that `FILE:LINE:COLUMN` says.

    Raises:
        UsageError: it is not of that form, or line or column is 0.
    """
    match = _POSITION.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not a position; write FILE:LINE:COLUMN, such as main.py:12:5.")
    line, column = int(match["line"]), int(match["column"])
    if line < 1 or column < 1:
        raise UsageError(f"{text!r} is not a position: lines and columns are counted from 1.")
    return Position(Path(match["path"]), line, column)


def split_at(text: str, position: Position) -> tuple[str, str]:
    """The text before and after a position; after a last line end there is one more line, empty.

    Raises:
        UsageError: the text has no such line, or the line no such column.
    """
    lines = text.split("\n")
    if position.line > len(lines):
        raise UsageError(
            f"{position.path} has {_counted(len(lines), 'line')}, so there is no line {position.line} in it."
        )
    line = lines[position.line - 1].removesuffix("\r")
    if position.column > len(line) + 1:
        raise UsageError(
            f"Line {position.line} of {position.path} has {_counted(len(line), 'character')}, "
            f"so columns go from 1 to {len(line) + 1}, and {position.column} is past its end."
        )
    offset = sum(len(each) + 1 for each in lines[: position.line - 1]) + position.column - 1
    return text[:offset], text[offset:]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
