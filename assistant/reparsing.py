"""Parsing a text that has changed a little: what has not changed is taken over from the tree before.

An editor's keystroke changes a character of some thousands, and so do the beginnings of a completion that are tried one
after the other. tree-sitter then parses what is near the change.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assistant.grammars import Grammar, encoded, parser_of

if TYPE_CHECKING:
    from tree_sitter import Parser, Point, Tree

# Documents whose trees are kept: as many as a person goes to and fro between. Each has two of some 20 KB of text.
_DOCUMENTS = 8
# A document is read at each key, and in between as it would be with a suggestion: each finds its own last tree.
_VERSIONS = 3


@dataclass(frozen=True, slots=True)
class _Version:
    data: bytes
    tree: "Tree"


@dataclass(frozen=True, slots=True)
class _Change:
    """Bytes from `start` to `old_end` of one text that are those from `start` to `new_end` of another."""

    start: int
    old_end: int
    new_end: int

    @property
    def size(self) -> int:
        """Bytes that differ in either."""
        return self.old_end + self.new_end - 2 * self.start


class Reparser:
    """Parses one text after another as `assistant.grammars.parse` does. For one thread.

    Where a text is broken tree-sitter does not promise the same tree as from nothing; it has as many errors
    (tests/assistant/test_reparsing.py).
    """

    def __init__(self) -> None:
        """Nothing is parsed yet."""
        self._grammar: Grammar | None = None
        self._parser: Parser | None = None
        self._versions: deque[_Version] = deque(maxlen=_VERSIONS)

    def parse(self, text: str, grammar: Grammar) -> "Tree":
        """The syntax tree of `text`; trees given before stay as they are."""
        data = encoded(text)
        if grammar is not self._grammar or self._parser is None:
            self._grammar, self._parser = grammar, parser_of(grammar)
            self._versions.clear()
        changes = [(_change(version.data, data), version) for version in self._versions]
        change, nearest = min(changes, key=lambda each: each[0].size, default=(None, None))
        if change is None or nearest is None:
            tree = self._parser.parse(data)
        elif change.size == 0:
            return nearest.tree
        else:
            tree = self._parser.parse(data, _edited(nearest, data, change))
        self._versions.append(_Version(data, tree))
        return tree


@dataclass(frozen=True, slots=True)
class Reparsers:
    """The parsers of one document: its text at each key, and what completions would make of it."""

    document: Reparser = field(default_factory=Reparser)
    candidates: Reparser = field(default_factory=Reparser)


class DocumentParsers:
    """Parsers by document; those of the documents used last are kept. For one thread."""

    def __init__(self) -> None:
        """None yet."""
        self._parsers: OrderedDict[str, Reparsers] = OrderedDict()

    def of(self, document: str) -> Reparsers:
        """The parsers of the document of this name."""
        parsers = self._parsers.setdefault(document, Reparsers())
        self._parsers.move_to_end(document)
        if len(self._parsers) > _DOCUMENTS:
            self._parsers.popitem(last=False)
        return parsers


def _change(old: bytes, new: bytes) -> _Change:
    start = _common_beginning(old, new)
    most = min(len(old), len(new)) - start
    end = _common_beginning(old[len(old) - most :][::-1], new[len(new) - most :][::-1])
    return _Change(start, len(old) - end, len(new) - end)


def _edited(version: _Version, new: bytes, change: _Change) -> "Tree":
    """A copy of the version's tree that knows where `new` differs."""
    edited = version.tree.copy()
    start, old_end, new_end = change.start, change.old_end, change.new_end
    points = (_point(version.data, start), _point(version.data, old_end), _point(new, new_end))
    edited.edit(start, old_end, new_end, *points)
    return edited


def _common_beginning(one: bytes, other: bytes) -> int:
    """How many bytes both begin with; by comparing halves, as single bytes are slow to compare here."""
    equal, unequal = 0, min(len(one), len(other)) + 1
    while unequal - equal > 1:
        middle = (equal + unequal) // 2
        if one[equal:middle] == other[equal:middle]:
            equal = middle
        else:
            unequal = middle
    return equal


def _point(data: bytes, offset: int) -> "Point":
    from tree_sitter import Point

    return Point(data.count(b"\n", 0, offset), offset - (data.rfind(b"\n", 0, offset) + 1))
