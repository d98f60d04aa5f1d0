"""Chunks around the places where a person worked last: a bounded ring, newest last.

After llama.vim, whose ring keeps 16 chunks of 64 lines and drops those over 0.9 similar to a new one. The chunks are
shorter here: a prompt's budget holds several of them on a machine without a GPU.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from assistant.context.similarity import Lines, line_set, similarity
from assistant.context.surroundings import Extent, text_around
from assistant.suggestion.types import Buffer

SIZE = 16
_EXTENT = Extent(before=14, after=9)

# A place farther from the last than so many characters, about the lines of a chunk, is another one.
_NEAR_CHARACTERS = 1000

_SAME = 0.9
# Another version of the same document's lines; the old one is of no use any more.
_SAME_PLACE = 0.5


@dataclass(frozen=True, slots=True)
class Visited:
    """A chunk that was worked on.

    Attributes:
        uri: the document it is from.
        path: how the document is called in a prompt.
        text: its lines.
        lines: the same for comparing.
    """

    uri: str
    path: str
    text: str
    lines: Lines


@dataclass(frozen=True, slots=True)
class _Place:
    buffer: Buffer
    path: str
    offset: int


class Ring:
    """The places worked at, as chunks. A place's chunk is taken when it is left, so that typing costs nothing."""

    def __init__(self, size: int = SIZE) -> None:
        self._chunks: deque[Visited] = deque(maxlen=size)
        self._place: _Place | None = None

    @property
    def chunks(self) -> tuple[Visited, ...]:
        """Oldest first; the place being worked at is not among them."""
        return tuple(self._chunks)

    def visit(self, buffer: Buffer, path: str, offset: int) -> None:
        """Somebody works at `offset` of the document, which is called `path`."""
        place = self._place
        if place and (place.buffer.uri != buffer.uri or abs(place.offset - offset) > _NEAR_CHARACTERS):
            self._leave(place)
        self._place = _Place(buffer, path, offset)

    @property
    def all(self) -> tuple[Visited, ...]:
        """As `chunks`, with the place being worked at."""
        return tuple(self._with(self._place)) if self._place is not None else self.chunks

    def restore(self, earlier: Iterable[Visited]) -> None:
        """Takes chunks of an earlier run for older than all there are."""
        self._chunks = deque([*earlier, *self._chunks], maxlen=self._chunks.maxlen)

    def leave(self, uri: str) -> None:
        """The document is closed: what was done in it last becomes a chunk, if it was the last place worked at."""
        if self._place and self._place.buffer.uri == uri:
            self._leave(self._place)
            self._place = None

    def _leave(self, place: _Place) -> None:
        left = self._with(place)
        self._chunks.clear()
        self._chunks.extend(left)

    def _with(self, place: _Place) -> list[Visited]:
        """The chunks and the place's own, in place of those it makes useless."""
        text = text_around(place.buffer.text, place.offset, _EXTENT)
        lines = line_set(text)
        if not lines:
            return list(self._chunks)
        uri = place.buffer.uri
        limits = [_SAME_PLACE if old.uri == uri else _SAME for old in self._chunks]
        kept = [old for old, limit in zip(self._chunks, limits, strict=True) if similarity(old.lines, lines) < limit]
        return [*kept, Visited(uri, place.path, text, lines)]
