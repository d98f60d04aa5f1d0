"""What was shown at the place where the user is."""

from assistant.suggestion.types import Buffer, SuggestionRequest

_Place = tuple[str, int, int]


class LatestSuggestions:
    """The suggestions shown at one place of one version of a document: the last one that was asked about."""

    def __init__(self) -> None:
        """None yet."""
        self._place: _Place | None = None
        self._texts: list[str] = []

    def note(self, request: SuggestionRequest, text: str) -> None:
        """A suggestion is being shown."""
        place = _place(request.buffer, request.offset)
        if place != self._place:
            self._place, self._texts = place, []
        if text not in self._texts:
            self._texts.append(text)

    def texts(self, buffer: Buffer, offset: int) -> tuple[str, ...]:
        """What was shown at a place, in that order."""
        return tuple(self._texts) if _place(buffer, offset) == self._place else ()


def _place(buffer: Buffer, offset: int) -> _Place:
    return buffer.uri, buffer.version, offset
