"""Positions in files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.errors import UsageError
from assistant.positions import Position, parse_position, split_at


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("main.py:12:5", Position(Path("main.py"), 12, 5)),
        (r"C:\code\x.py:3:4", Position(Path(r"C:\code\x.py"), 3, 4)),
        ("odd:1:2:3:4", Position(Path("odd:1:2"), 3, 4)),
        ("with space.py:1:1", Position(Path("with space.py"), 1, 1)),
    ],
)
def test_positions_are_parsed_from_the_right(text: str, position: Position) -> None:
    assert parse_position(text) == position


@pytest.mark.parametrize(
    "text", ["", "main.py", "main.py:3", "main.py:3:x", "main.py:-1:2", ":1:2", "main.py:0:1", "a:1:0"]
)
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a position"):
        parse_position(text)


def at(line: int, column: int) -> Position:
    return Position(Path("x.py"), line, column)


@pytest.mark.parametrize(
    ("text", "line", "column", "before"),
    [
        ("", 1, 1, ""),
        ("ab\ncd", 2, 3, "ab\ncd"),
        ("ab\ncd\n", 3, 1, "ab\ncd\n"),
        ("ab\r\ncd\r\n", 1, 3, "ab"),
        ("ab\r\ncd\r\n", 2, 1, "ab\r\n"),
        ("é😀x\n", 1, 3, "é😀"),
        ("a\u2028b\x0cc\n", 1, 6, "a\u2028b\x0cc"),  # line ends for Python, not for editors
    ],
)
def test_columns_count_characters(text: str, line: int, column: int, before: str) -> None:
    assert split_at(text, at(line, column)) == (before, text.removeprefix(before))


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a\nb\n", 4, 1, "x.py has 3 lines, so there is no line 4"),
        ("", 2, 1, "has 1 line,"),
        ("abc\n", 1, 5, "columns go from 1 to 4"),
        ("abc\r\n", 1, 5, "columns go from 1 to 4"),
    ],
)
def test_positions_past_the_end_are_refused(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        split_at(text, at(line, column))


@given(st.text(alphabet="ab\né", max_size=30), st.data())
def test_every_offset_has_a_position(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    assert split_at(text, at(line, column)) == (text[:offset], text[offset:])
