"""Suggestions that are known already: typing through one, deleting back and accepting a part need no model.

A suggestion is found again by the text just before and after the place it was made for. What has been typed since then
has to be the suggestion's own beginning; what is left of it is the answer. An editor may have closed brackets meanwhile
that the suggestion closes as well.
"""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from assistant.suggestion.closing import CLOSERS, closers_of, until_closed

# What is compared before and after the cursor. Where both agree, a change farther away is not worth asking again.
_BEFORE, _AFTER = 1024, 512
# Entries are found by so much of the text before them, and then compared in full.
_ANCHOR = 32
# A longer beginning than this, accepted at once, is not found again.
_MAX_TYPED = 1024
# A bracket that was opened longer ago than this and closed by the editor is not looked for.
_MAX_OPENED = 128


@dataclass(frozen=True, slots=True)
class _Entry:
    group: str
    before: str
    after: str
    text: str

    @property
    def place(self) -> tuple[str, str]:
        return self.group, self.after

    @property
    def anchor(self) -> str:
        return self.before[-_ANCHOR:]

    @property
    def size(self) -> int:
        """Bytes, about: four a character at most, and what the objects take."""
        return 4 * (len(self.before) + len(self.after) + len(self.text)) + 500


class SuggestionCache:
    """The newest suggestions, found by their surroundings. Usable from any thread."""

    def __init__(self, max_entries: int = 250, max_bytes: int = 16_000_000) -> None:
        """An empty cache that drops what was not used for longest when either bound is passed."""
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[_Entry, None] = OrderedDict()
        self._places: dict[tuple[str, str], dict[str, list[_Entry]]] = {}  # entries by anchor, the oldest first
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, group: str, text: str, offset: int, suggestion: str) -> None:
        """Keeps a suggestion that was made for `offset` of a document's text; `group` names document and options."""
        before, after = text[max(0, offset - _BEFORE) : offset], text[offset : offset + _AFTER]
        entry = _Entry(group, before, after, suggestion)
        if not suggestion or entry.size > self._max_bytes:
            return
        with self._lock:
            if entry in self._entries:
                self._remove(entry)
            self._entries[entry] = None
            self._places.setdefault(entry.place, {}).setdefault(entry.anchor, []).append(entry)
            self._bytes += entry.size
            while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
                self._remove(next(iter(self._entries)))

    def find(self, group: str, text: str, offset: int) -> str | None:
        """What is left of the suggestion that fits at `offset`, the newest made for the nearest place; None if none.

        Looks at some thousand characters around the cursor, however long the text.
        """
        with self._lock:
            anchors = self._places.get((group, text[offset : offset + _AFTER]), {})
            longest = max((len(entry.text) for entries in anchors.values() for entry in entries), default=0)
            for typed in range(min(offset + 1, _MAX_TYPED + 1, longest)):
                place = offset - typed
                for entry in reversed(anchors.get(text[max(0, place - _ANCHOR) : place], ())):
                    if _continues(entry, text, place, offset):
                        self._entries.move_to_end(entry)
                        return entry.text[typed:]
            return self._find_closed(group, text, offset) if text[offset : offset + 1] in CLOSERS else None

    def _find_closed(self, group: str, text: str, offset: int) -> str | None:
        """As `find`, where the editor has closed what was opened since: up to where the suggestion closes it."""
        for typed in range(1, min(offset, _MAX_OPENED) + 1):
            place = offset - typed
            closers = closers_of(text[place:offset])
            if not closers or not text.startswith(closers, offset):
                continue
            after = text[offset + len(closers) : offset + len(closers) + _AFTER]
            anchors = self._places.get((group, after), {})
            for entry in reversed(anchors.get(text[max(0, place - _ANCHOR) : place], ())):
                if _continues(entry, text, place, offset):
                    self._entries.move_to_end(entry)
                    return until_closed(text[place:offset], entry.text[typed:]) or None
        return None

    def _remove(self, entry: _Entry) -> None:
        del self._entries[entry]
        self._bytes -= entry.size
        anchors = self._places[entry.place]
        anchors[entry.anchor].remove(entry)
        if not anchors[entry.anchor]:
            del anchors[entry.anchor]
        if not anchors:
            del self._places[entry.place]


def _continues(entry: _Entry, text: str, place: int, offset: int) -> bool:
    """Whether the entry was made for the text up to `place`, and its own text goes on from there beyond `offset`."""
    typed = offset - place
    if len(entry.text) <= typed or not entry.text.startswith(text[place:offset]):
        return False
    return text[max(0, place - _BEFORE) : place] == entry.before
