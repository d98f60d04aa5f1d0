"""Where a generation begins to repeat itself or what stands above it: the way small models fail most."""

import re
from collections.abc import Callable

from assistant.filters import NEAR_LINES, Site

# The same line or block twice can be meant; so many times in a row, it is a loop.
_SAME_LINE = 3
_ALIKE_LINES = 6

_NUMBERS = re.compile(r"\d+")


def cut_repetition(text: str, site: Site) -> str:
    """Up to where lines begin to come again: a block twice, a line three times, or many that differ in numbers alone.

    The last line may be unfinished, and is compared as it is.
    """
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    numbers = [number for number, line in enumerate(lines) if line.strip()]
    # The cursor's line is the first one, with what stands on it already.
    whole = [((site.line_head if number == 0 else "") + lines[number]).rstrip() for number in numbers]
    above = list(site.above)
    sequence = above + whole
    for end in range(len(above) + 1, len(sequence) + 1):
        begin = _repeated_from(sequence, end, len(above))
        if begin is not None:
            return text[: starts[numbers[begin - len(above)]]]
    return text


def _repeated_from(lines: list[str], end: int, first: int) -> int | None:
    """The first of the lines before `end` that repeat those before them; lines before `first` stand in the file."""
    for length in range(2, min(NEAR_LINES, (end - first), end // 2) + 1):
        block = lines[end - length : end]
        if block == lines[end - 2 * length : end - length] and _says_something(block):
            return end - length
    last = lines[end - 1]
    run = _run(lines, end, lambda line: line)
    if run >= _SAME_LINE and _says_something([last]):
        return max(first, end - run + 1)
    alike = min(_run(lines, end, lambda line: _NUMBERS.sub("0", line)), end - first)
    return end - alike + 1 if alike >= _ALIKE_LINES and _NUMBERS.search(last) else None


def _run(lines: list[str], end: int, form: Callable[[str], str]) -> int:
    """How many lines before `end`, of the last few, have the same form as the last."""
    wanted = form(lines[end - 1])
    count = 0
    for line in reversed(lines[max(0, end - NEAR_LINES) : end]):
        if form(line) != wanted:
            break
        count += 1
    return count


def _says_something(lines: list[str]) -> bool:
    """Whether there is more than brackets and the like: those close one block after another."""
    return sum(map(str.isalnum, "".join(lines))) >= 2
