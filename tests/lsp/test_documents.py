"""The server's documents against the protocol's words: any edits, any encoding, any line ends."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol.types import (
    Position,
    PositionEncodingKind,
    Range,
    TextDocumentContentChangePartial,
    TextDocumentContentChangeWholeDocument,
)

from lsp.documents import Document

ENCODINGS = list(PositionEncodingKind)
TEXTS = st.text(st.sampled_from("ab \tü€😀\r\n\f\u2028\u0085"), max_size=30)


def units(text: str, encoding: PositionEncodingKind) -> int:
    """Code units of `text`, counted a character at a time."""
    sizes = {
        PositionEncodingKind.Utf8: lambda each: len(each.encode("utf-8")),
        PositionEncodingKind.Utf16: lambda each: 2 if ord(each) > 0xFFFF else 1,
        PositionEncodingKind.Utf32: lambda each: 1,
    }
    return sum(map(sizes[encoding], text))


def position(text: str, offset: int, encoding: PositionEncodingKind) -> Position:
    """The position of an offset, found by splitting the text at the protocol's line ends."""
    lines = re.split(r"\r\n|\r|\n", text[:offset])
    return Position(len(lines) - 1, units(lines[-1], encoding))


def offsets(text: str) -> st.SearchStrategy[int]:
    """Places a client can name: not between the two characters of one line end."""
    inside = [match.start() + 1 for match in re.finditer("\r\n", text)]
    return st.integers(0, len(text)).filter(lambda offset: offset not in inside)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(data=st.data(), text=TEXTS)
def test_after_any_edits_text_and_positions_are_the_clients(
    encoding: PositionEncodingKind, data: st.DataObject, text: str
) -> None:
    document = Document("file:///a.py", text, 0, "python", encoding)
    for _ in range(data.draw(st.integers(0, 5))):
        begin, end = sorted((data.draw(offsets(text)), data.draw(offsets(text))))
        new = data.draw(TEXTS)
        where = Range(position(text, begin, encoding), position(text, end, encoding))
        document.apply_change(TextDocumentContentChangePartial(range=where, text=new))
        text = text[:begin] + new + text[end:]
        assert document.source == text
    for offset in [data.draw(offsets(text)) for _ in range(3)]:
        place = position(text, offset, encoding)
        assert document.offset_at_position(place) == offset
        assert document.position_at(offset) == place
    assert "".join(document.lines) == text
    assert len(document.lines) == len(re.split(r"\r\n|\r|\n", text))


def test_a_whole_text_replaces_all() -> None:
    document = Document("file:///a.py", "a\nb\n", 0, "python", PositionEncodingKind.Utf16)
    document.apply_change(TextDocumentContentChangeWholeDocument("c\nd"))
    assert document.source == "c\nd"
    assert document.offset_at_position(Position(1, 1)) == 3


@pytest.mark.parametrize(
    ("place", "offset"),
    [
        (Position(0, 99), 4),  # past the end of a line: its end
        (Position(9, 0), 7),  # past the last line: the end of the text
        (Position(0, 3), 2),  # inside a character: before it
    ],
)
def test_positions_outside_the_text_are_the_nearest_inside(place: Position, offset: int) -> None:
    document = Document("file:///a.py", "ab😀c\r\nd", 0, "python", PositionEncodingKind.Utf16)
    assert document.offset_at_position(place) == offset


def test_half_a_character_becomes_the_replacement_character() -> None:
    document = Document("file:///a.py", "", 0, "python", PositionEncodingKind.Utf16)
    document.apply_change(TextDocumentContentChangeWholeDocument("a\ud83db"))
    assert document.source == "a\ufffdb"
