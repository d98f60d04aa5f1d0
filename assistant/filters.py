"""What is taken off a generated completion: pure functions from text to text, and where a generation can stop.

Cuts end a completion early: they run while it streams, on the whole lines there are so far, each with its line end.
Trims run once, on the text that is left.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

_BRACKETS = {")": "(", "]": "[", "}": "{"}
_QUOTES = "\"'`"


class Lines(StrEnum):
    """How many lines a completion may have; `auto` is one where the cursor's line has code already."""

    ONE = "one"
    MANY = "many"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Site:
    """Where a completion goes.

    Attributes:
        line_head: the cursor's line up to the cursor.
        line_rest: the cursor's line from the cursor on, without its end.
        next_line: the first line that is not blank after the cursor's line, without its end; empty if there is none.
    """

    line_head: str
    line_rest: str
    next_line: str

    @classmethod
    def between(cls, before: str, after: str) -> "Site":
        """The site between two texts, whose line ends are `\\n`."""
        rest, _, following = after.partition("\n")
        lines = (line for line in following.split("\n") if line.strip())
        return cls(before[before.rfind("\n") + 1 :], rest, next(lines, "").rstrip())

    @property
    def one_line(self) -> bool:
        """Whether one line is what a user expects here: the line has code already, before or after the cursor."""
        return bool(self.line_head.strip() or self.line_rest.strip())

    @property
    def indentation(self) -> int:
        """Characters of white space that the cursor's line begins with."""
        return len(self.line_head) - len(self.line_head.lstrip())


Cut = Callable[[str, Site], str]


def cut_line(text: str, site: Site) -> str:
    """Up to the end of the first line."""
    return text.partition("\n")[0]


def cut_suffix(text: str, site: Site) -> str:
    """Up to where the text after the cursor begins again: a line equal to the next one there, indentation included."""
    if not site.next_line:
        return text
    position = 0
    for line in text.splitlines(keepends=True):
        whole = (site.line_head if position == 0 else "") + line
        if whole.rstrip() == site.next_line:
            return text[:position]
        position += len(line)
    return text


def cut_blank_line(text: str, site: Site) -> str:
    """Up to the first blank line after a line that is not blank."""
    position, seen = 0, False
    for line in text.splitlines(keepends=True):
        if seen and not line.strip():
            return text[:position]
        seen = seen or bool(line.strip())
        position += len(line)
    return text


def cut_dedent(text: str, site: Site) -> str:
    """Up to the first line that leaves the block the cursor is in: one indented less than the cursor's line."""
    position = 0
    for line in text.splitlines(keepends=True):
        indentation = len(line) - len(line.lstrip())
        if position and line.strip() and indentation < site.indentation:
            return text[:position]
        position += len(line)
    return text


def cut_lines(limit: int) -> Cut:
    """Up to the end of line number `limit`, without its line end."""

    def cut(text: str, site: Site) -> str:
        lines = text.splitlines(keepends=True)
        return text if len(lines) < limit else "".join(lines[:limit]).removesuffix("\n")

    return cut


def trim_rest_of_line(text: str, site: Site) -> str:
    """Without an end that repeats what already stands after the cursor on its line.

    Closing brackets and quotes are only taken off where the text did not open them: `f(x)` before a `)` is whole.
    """
    rest = site.line_rest.strip()
    head, newline, last = text.rpartition("\n")
    end = last.rstrip()
    if not rest or not end:
        return text
    if end.endswith(rest) and not _closers_only(rest):
        return head + newline + end.removesuffix(rest)
    for length in range(min(len(rest), len(end)), 0, -1):
        repeated = rest[:length]
        if end.endswith(repeated) and _closers_only(repeated) and _unopened(end, repeated):
            return head + newline + end.removesuffix(repeated)
    return text


def trim_white_space(text: str, site: Site) -> str:
    """Without white space at the end, unless something follows on the cursor's line."""
    return text if site.line_rest.strip() else text.rstrip()


def trim_partial_line(text: str, site: Site) -> str:
    """Without the last line if there are more: for a generation that a limit ended, probably inside it."""
    head, newline, _ = text.rpartition("\n")
    return head if newline and head.strip() else text


def _closers_only(text: str) -> bool:
    return all(character in ")]};,:" + _QUOTES or character.isspace() for character in text)


def _unopened(line: str, closers: str) -> bool:
    """Whether each of the brackets and quotes at the end of `line` was opened before that line."""
    opened = line.removesuffix(closers)
    for closer in closers:
        if closer in _BRACKETS and opened.count(_BRACKETS[closer]) > opened.count(closer):
            return False
        if closer in _QUOTES and opened.count(closer) % 2:
            return False
    return True
