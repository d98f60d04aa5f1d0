"""Suggestions that are known already: typing through one, deleting back and accepting a part need no model.

A suggestion is found again by the text just before and after the place it was made for. What has been typed since then
has to be the suggestion's own beginning; what is left of it is the answer. An editor may have closed brackets meanwhile
that the suggestion closes as well.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
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
        """What stands where the entry is of use once something of it was typed."""
        return self.before[-_ANCHOR:] + self.text[0]

    @property
    def size(self) -> int:
        """Bytes, about: four a character at most, and what the objects take."""
        return 4 * (len(self.before) + len(self.after) + len(self.text)) + 500


@dataclass(slots=True)
class _Place:
    """Entries with the same text after them.

    Attributes:
        anchors: the entries by theirs, the oldest first.
        longest: characters of the longest that there was.
    """

    anchors: dict[str, list[_Entry]] = field(default_factory=dict)
    longest: int = 0

    def add(self, entry: _Entry) -> None:
        self.anchors.setdefault(entry.anchor, []).append(entry)
        self.longest = max(self.longest, len(entry.text))

    def remove(self, entry: _Entry) -> None:
        self.anchors[entry.anchor].remove(entry)
        if not self.anchors[entry.anchor]:
            del self.anchors[entry.anchor]

    def find(self, text: str, begins: Iterable[int], offset: int) -> tuple[_Entry, int] | None:
        """The newest for the first of these places that has one which goes on with the text there, beyond `offset`."""
        entries_at = self.anchors.get
        for begin in begins:
            entries = entries_at(text[begin - _ANCHOR if begin > _ANCHOR else 0 : begin + 1])
            for entry in reversed(entries or ()):
                if _continues(entry, text, begin, offset):
                    return entry, begin
        return None


_NOWHERE = _Place()


class SuggestionCache:
    """The newest suggestions, found by their surroundings. Usable from any thread."""

    def __init__(self, max_entries: int = 250, max_bytes: int = 16_000_000) -> None:
        """An empty cache that drops what was not used for longest when either bound is passed."""
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[_Entry, None] = OrderedDict()
        self._newest: dict[tuple[str, str, str], _Entry] = {}  # by group, before and after
        self._places: dict[tuple[str, str], _Place] = {}
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
            self._newest[group, before, after] = entry
            self._places.setdefault(entry.place, _Place()).add(entry)
            self._bytes += entry.size
            while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
                self._remove(next(iter(self._entries)))

    def find(self, group: str, text: str, offset: int) -> str | None:
        """What is left of the suggestion that fits at `offset`, the newest made for the nearest place; None if none.

        Looks at some thousand characters around the cursor, however long the text.
        """
        with self._lock:
            after = text[offset : offset + _AFTER]
            entry = self._newest.get((group, text[max(0, offset - _BEFORE) : offset], after))
            if entry is not None:
                self._entries.move_to_end(entry)
                return entry.text
            place = self._places.get((group, after), _NOWHERE)
            most_typed = min(offset, _MAX_TYPED, place.longest - 1)
            found = place.find(text, range(offset - 1, offset - most_typed - 1, -1), offset)
            if found is not None:
                entry, begin = found
                self._entries.move_to_end(entry)
                return entry.text[offset - begin :]
            return self._find_closed(group, text, offset) if text[offset : offset + 1] in CLOSERS else None

    def _find_closed(self, group: str, text: str, offset: int) -> str | None:
        """As `find`, where the editor has closed what was opened since: up to where the suggestion closes it."""
        for typed in range(1, min(offset, _MAX_OPENED) + 1):
            place = offset - typed
            closers = closers_of(text[place:offset])
            if not closers or not text.startswith(closers, offset):
                continue
            after = text[offset + len(closers) : offset + len(closers) + _AFTER]
            found = self._places.get((group, after), _NOWHERE).find(text, (place,), offset)
            if found is not None:
                entry, _ = found
                self._entries.move_to_end(entry)
                return until_closed(text[place:offset], entry.text[typed:]) or None
        return None

    def _remove(self, entry: _Entry) -> None:
        del self._entries[entry]
        self._bytes -= entry.size
        key = entry.group, entry.before, entry.after
        if self._newest.get(key) is entry:
            del self._newest[key]
        place = self._places[entry.place]
        place.remove(entry)
        if not place.anchors:
            del self._places[entry.place]


def _continues(entry: _Entry, text: str, place: int, offset: int) -> bool:
    """Whether the entry was made for the text up to `place`, and its own text goes on from there beyond `offset`."""
    typed = offset - place
    if len(entry.text) <= typed or not entry.text.startswith(text[place:offset]):
        return False
    return text[max(0, place - _BEFORE) : place] == entry.before
