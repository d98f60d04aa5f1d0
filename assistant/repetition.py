"""Where a generation begins to repeat itself or what stands before it: the way small models fail most."""

import re
from collections.abc import Callable

from assistant.filters import NEAR_LINES, Site

# The same line or block twice can be meant; so many times in a row, it is a loop.
_SAME_LINE = 3
_ALIKE_LINES = 6

_NUMBERS = re.compile(r"\d+")

# Within a line: units up to so many characters, of which more than one or two have to be the model's own.
_LONGEST_UNIT = 64
_LEAST_WRITTEN = 3
# Words are seldom meant eight times in a row. Tables are: sixteen values a line, as in a dump of bytes.
_SAME_WORDS = 8
_SAME_VALUES = 17
# Rulers, padding and drawings are of any length, but end where lines do.
_LINE_LENGTH = 120
_SAME_ANYTHING = 4
_REACH = _LONGEST_UNIT * _SAME_ANYTHING
# Of the shortest unit, so much stands twice in a loop's end.
_TAIL = _SAME_ANYTHING - 1

_WORD = re.compile(r"[^\W\d_]{2}")
# Numbers in any base and with any suffix, bytes, constants.
_VALUE = re.compile(r"(?i:\b\d[\w.]*|\\x[0-9a-f]{2}|\b(?:[0-9a-f]{2})+\b|\b(?:none|null|nil|nan|true|false)\b)")


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


def cut_loop(text: str, site: Site) -> str:
    """Up to where the last, unfinished line began to go round in circles, `1, 1, 1, ...`, if it does so at its end.

    The cursor's line counts with what stands on it already. The cost does not grow with the length of either.
    """
    start = text.rfind("\n") + 1
    written = len(text) - start
    end = text[max(start, len(text) - _REACH) :]
    if start == 0 and len(end) < _REACH:
        end = site.line_head[len(end) - _REACH :] + end
    longest = min(_LONGEST_UNIT, written // _LEAST_WRITTEN)
    # What ends a loop stood there a unit before: lengths at which it did not are not worth comparing at each token.
    last, at = end[-_TAIL:], len(end) - _TAIL
    begin, place = at - longest, at
    while longest and (place := end.rfind(last, max(begin, 0), place + _TAIL - 1)) >= 0:
        unit = end[place - at :]
        if end.endswith(unit * _SAME_ANYTHING) and end.endswith(unit * _times_in_a_loop(unit)):
            return text[: len(text) - _looped(text[start:], len(unit))]
    return text


def _times_in_a_loop(unit: str) -> int:
    """How many times in a row `unit` has to stand to be a loop."""
    times = max(_SAME_ANYTHING, _LINE_LENGTH // len(unit) + 1)
    repeats = unit in (unit + unit)[1:-1]
    if len(unit) == 1 or repeats or not any(map(str.isalnum, unit)):
        return times
    # A unit may begin inside a word or value: looked at is one with its neighbours.
    blanked = _VALUE.sub(lambda value: "0" * len(value.group()), unit * 3)
    has_words = _WORD.search(blanked[len(unit) : 2 * len(unit) + 1])
    return min(times, _SAME_WORDS if has_words else _SAME_VALUES)


def _looped(line: str, length: int) -> int:
    """How many characters at the end of `line` are those that stand `length` characters after them, or the last."""
    count = length
    while count < len(line) and line[-count - 1] == line[-count - 1 + length]:
        count += 1
    return count


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
