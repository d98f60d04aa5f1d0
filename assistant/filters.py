"""What is taken off a generated completion: pure functions from text to text, and where a generation can stop.

Cuts end a completion early: they run while it streams, on the whole lines there are so far, each with its line end.
Trims run once, on the text that is left.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

# How much of the text around the cursor is compared with what is generated.
NEAR_LINES = 8
_NEAR_CHARACTERS = 2_000

# A line of so many characters is hardly there twice by chance.
_DISTINCTIVE = 20

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
        following: the lines that are not blank after that one, a few.
        above: the lines that are not blank above the cursor's line, a few, in their order.
        definition: characters of white space before the line that the function or class around the cursor begins
            with; -1 outside of all; None where that is not known.
        block: the same of the line whose block begins at the cursor and is empty; None elsewhere.
    """

    line_head: str
    line_rest: str
    next_line: str
    following: tuple[str, ...] = ()
    above: tuple[str, ...] = ()
    definition: int | None = None
    block: int | None = None

    @classmethod
    def between(cls, before: str, after: str) -> "Site":
        """The site between two texts, whose line ends are `\\n`."""
        rest, _, below = after.partition("\n")
        start = before.rfind("\n") + 1
        above = [line.rstrip() for line in before[max(0, start - _NEAR_CHARACTERS) : start].split("\n") if line.strip()]
        lines = (line.rstrip() for line in below[:_NEAR_CHARACTERS].split("\n") if line.strip())
        next_line = next(lines, "")
        return cls(before[start:], rest, next_line, tuple(islice(lines, NEAR_LINES)), tuple(above[-NEAR_LINES:]))

    @property
    def one_line(self) -> bool:
        """Whether one line is what a user expects here: the line has code already, before or after the cursor."""
        return bool(self.line_head.strip() or self.line_rest.strip())

    @property
    def indentation(self) -> int:
        """Characters of white space that the cursor's line begins with."""
        return indentation(self.line_head)

    @property
    def least_indentation(self) -> int:
        """Characters of white space that a line has to begin with to be in the scope that the cursor is in."""
        if self.block is not None:
            return self.block + 1
        if self.definition is not None and self.definition >= 0:
            return self.definition + 1
        below = indentation(self.next_line) if self.next_line else self.indentation
        return min(self.indentation, below)


Cut = Callable[[str, Site], str]


def indentation(line: str) -> int:
    """Characters of white space that `line` begins with."""
    return len(line) - len(line.lstrip())


def cut_line(text: str, site: Site) -> str:
    """Up to the end of the first line."""
    return text.partition("\n")[0]


def cut_suffix(text: str, site: Site) -> str:
    """Up to where the text after the cursor begins again: a line equal to the next one there, indentation included.

    A short line, such as `return x` or `}`, may well come twice: what follows it has to be repeated as well.
    """
    if not site.next_line:
        return text
    position, found = 0, -1
    for line in text.splitlines(keepends=True):
        whole = ((site.line_head if position == 0 else "") + line).rstrip()
        if found >= 0 and whole:
            if not site.following or whole == site.following[0]:
                return text[:found]
            found = -1
        if whole == site.next_line:
            if len(whole.strip()) >= _DISTINCTIVE:
                return text[:position]
            found = position
        position += len(line)
    return text


def cut_blank_line(text: str, site: Site) -> str:
    """Up to a blank line after a line that is not blank; inside a definition, up to two of them."""
    allowed = 1 if site.definition is not None and site.definition >= 0 else 0
    position, seen, blank, end = 0, False, 0, 0
    for line in text.splitlines(keepends=True):
        if line.strip():
            seen, blank = True, 0
        elif seen:
            end = position if blank == 0 else end
            blank += 1
            if blank > allowed:
                return text[:end]
        position += len(line)
    return text


def cut_dedent(text: str, site: Site) -> str:
    """Up to the first line that leaves the scope the cursor is in, by its indentation.

    Lines that begin with a closing bracket still belong to it, unless an empty block begins at the cursor: of those
    only the one that closes it does.
    """
    position = 0
    for line in text.splitlines(keepends=True):
        if position and line.strip() and indentation(line) < site.least_indentation:
            closes = line.lstrip()[0] in _BRACKETS
            if site.block is not None and closes and indentation(line) == site.block:
                return text[: position + len(line)].removesuffix("\n")
            if site.block is not None or not closes:
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


def trim_suffix_lines(text: str, site: Site) -> str:
    """Without last lines that are the next ones after the cursor: a closing bracket, a `return`."""
    if not site.next_line:
        return text
    lines = text.split("\n")
    kept = [number for number, line in enumerate(lines) if line.strip()]
    whole = [((site.line_head if number == 0 else "") + lines[number]).rstrip() for number in kept]
    below = [site.next_line, *site.following]
    for count in range(min(len(whole), len(below)), 0, -1):
        if whole[-count:] == below[:count]:
            return "\n".join(lines[: kept[-count]])
    return text


def trim_unbalanced(text: str, site: Site) -> str:
    """Up to a bracket on the cursor's line that closes once more what the rest of the line closes already."""
    first, newline, _ = text.partition("\n")
    for closer, opener in _BRACKETS.items():
        closed_after = _surplus(site.line_rest, closer, opener)
        if newline or not closed_after or closer not in first:
            continue
        open_before = _surplus(site.line_head[::-1], opener, closer)
        if (end := _unmatched(first, closer, opener, max(0, open_before - closed_after))) is not None:
            text = first = first[:end]
    return text


def trim_white_space(text: str, site: Site) -> str:
    """Without white space at the end, unless something follows on the cursor's line."""
    return text if site.line_rest.strip() else text.rstrip()


def trim_partial_line(text: str, site: Site) -> str:
    """Without the last line if there are more: for a generation that a limit ended, probably inside it."""
    head, newline, _ = text.rpartition("\n")
    return head if newline and head.strip() else text


def _surplus(text: str, closer: str, opener: str) -> int:
    """How many of the closers in `text` have no opener in it before them."""
    depth = surplus = 0
    for character in text:
        if character == opener:
            depth += 1
        elif character == closer and depth:
            depth -= 1
        elif character == closer:
            surplus += 1
    return surplus


def _unmatched(text: str, closer: str, opener: str, allowed: int) -> int | None:
    """Where `text` closes once more than is allowed, unless it opens as often again after that."""
    depth, found = allowed, None
    for position, character in enumerate(text):
        depth += (character == opener) - (character == closer)
        if depth < 0 and found is None:
            found = position
    return found if depth < 0 else None


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
