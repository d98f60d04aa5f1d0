"""Places whose whole prompt is not evaluated yet: the short prompt that answers there, and what was asked so far."""

from dataclasses import dataclass

from assistant.context.types import Chunk
from assistant.suggestion.spots import FAR_CHARACTERS
from assistant.window import CountTokens, WindowSize

# So far may the text next to the cursor grow: moved on at its beginning, all of it would be evaluated again.
GROWTH = 2
_HEAD_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Stay:
    """Suggestions that are asked for at a place before its whole prompt is evaluated.

    Attributes:
        offset: where the last one was asked for.
        requests: how many there were.
        missing: tokens of the whole prompt that nothing was evaluated of, at the last one.
        size: of the window that they have, when it was chosen.
        start: where that begins in the document.
        head: with what.
        chunks: of other files in front of it: those that were evaluated when it was chosen.
    """

    offset: int
    requests: int
    missing: int
    size: WindowSize
    start: int
    head: str
    chunks: tuple[Chunk, ...]

    @classmethod
    def at(cls, before: str, start: int, size: WindowSize, chunks: tuple[Chunk, ...]) -> "Stay":
        """One that begins with the request for the text after `before`, whose window begins at `start`."""
        return cls(len(before), 0, 0, size, start, before[start : start + _HEAD_CHARACTERS], chunks)

    def is_near(self, offset: int) -> bool:
        """Whether an offset belongs to the place."""
        return abs(self.offset - offset) <= FAR_CHARACTERS

    def still_fits(self, before: str, affordable: int, count_tokens: CountTokens) -> bool:
        """Whether the window goes on: by its beginning, what has been typed since, and the speed of the machine."""
        if not before.startswith(self.head, self.start) or self.size.before + self.size.after > 2 * affordable:
            return False
        return count_tokens(before[self.start :]) <= GROWTH * self.size.before
