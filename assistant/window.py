"""How much of a file goes into a prompt: windows around the cursor, by tokens, cut at lines."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

CountTokens = Callable[[str], int]

# No text of code takes fewer tokens than one for so many characters, long indentations aside: what lies farther away
# cannot be in a window, so a large file is never tokenised whole.
_CHARACTERS_PER_TOKEN = 16
_GRID_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class WindowSize:
    """How many tokens a prompt may have around the cursor.

    The defaults suit a two-core laptop without a GPU, which evaluates about 100 tokens a second: 640 tokens are 6
    seconds once, when a file is opened there; afterwards the cache leaves only what was typed. Four parts of five go
    before the cursor, as that is what the text has to follow from.

    Attributes:
        before: tokens before the cursor, at most.
        after: tokens after the cursor, at most.
        grid: the window's start moves in steps of so many lines, so that a line more in the file does not change the
            beginning of the prompt, which would cost the KV cache.
    """

    before: int = 512
    after: int = 128
    grid: int = 16

    def within(self, tokens: int) -> "WindowSize":
        """The same proportions in no more than so many tokens in all."""
        if self.before + self.after <= tokens:
            return self
        share = max(tokens, 0) / (self.before + self.after)
        return WindowSize(math.floor(self.before * share), math.floor(self.after * share), self.grid)


def window_before(text: str, size: WindowSize, count_tokens: CountTokens) -> str:
    """The end of the text before the cursor that fits; it starts at a line's start unless one line is too long."""
    near = max(0, len(text) - size.before * _CHARACTERS_PER_TOKEN)
    lines = text[near:].splitlines(keepends=True)
    if near and len(lines) > 1:
        del lines[0]  # the rest of a line
    fitting = _fitting_lines(reversed(lines), size.before, count_tokens)
    taken = sum(map(len, lines[len(lines) - fitting :]))
    if taken == len(text):
        return text
    if not lines:
        return ""
    if fitting == 0:
        return _end_of_line(text, len(lines[-1]), size, count_tokens)
    # Where few lines fit, moving on by a whole step would leave nothing.
    grid = min(size.grid, max(1, fitting // 4))
    return text[_snapped(text, len(text) - taken, grid) :]


def window_after(text: str, size: WindowSize, count_tokens: CountTokens) -> str:
    """The beginning of the text after the cursor that fits; it ends at a line's end unless one line is too long."""
    lines = text[: size.after * _CHARACTERS_PER_TOKEN].splitlines(keepends=True)
    fitting = _fitting_lines(lines, size.after, count_tokens)
    if fitting == 0 and lines:
        return _beginning_of_line(lines[0], size, count_tokens)
    return "".join(lines[:fitting])


def _fitting_lines(lines: Iterable[str], budget: int, count_tokens: CountTokens) -> int:
    """How many lines, from the first, take no more than `budget` tokens."""
    count = tokens = 0
    for line in lines:
        tokens += count_tokens(line)
        if tokens > budget:
            break
        count += 1
    return count


def _snapped(text: str, start: int, grid: int) -> int:
    """The start of the first line, from `start` on, whose number in the file is a multiple of `grid`.

    The cursor's own line is kept in any case.
    """
    number = text.count("\n", 0, start)
    for _ in range(-number % grid):
        following = text.find("\n", start) + 1
        if following == 0 or following >= len(text):
            break
        start = following
    return start


def _beginning_of_line(line: str, size: WindowSize, count_tokens: CountTokens) -> str:
    fitting = _fitting(len(line), count_tokens(line), size.after)
    while fitting and count_tokens(line[:fitting]) > size.after:
        fitting //= 2
    return line[:fitting]


def _end_of_line(text: str, length: int, size: WindowSize, count_tokens: CountTokens) -> str:
    """The end of a line that is too long, cut at a multiple of some characters so that typing seldom moves it."""
    fitting = _fitting(length, count_tokens(text[len(text) - length :]), size.before)
    while True:
        end = text[-(-(len(text) - fitting) // _GRID_CHARACTERS) * _GRID_CHARACTERS :]
        if not end or count_tokens(end) <= size.before:
            return end
        fitting //= 2  # its tokens lie closer here than in the line as a whole


def _fitting(characters: int, tokens: int, budget: int) -> int:
    """About how many of a line's characters take no more than `budget` tokens."""
    return characters * budget // max(tokens, 1)
