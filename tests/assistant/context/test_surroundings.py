"""Text around a place."""

from hypothesis import given
from hypothesis import strategies as st

from assistant.context.surroundings import Extent, text_around


@given(st.lists(st.text(alphabet="xyz", max_size=5), min_size=1, max_size=12), st.data())
def test_whole_lines_around_a_place(lines: list[str], data: st.DataObject) -> None:
    text = "\n".join(lines)
    offset = data.draw(st.integers(0, len(text)))
    extent = Extent(data.draw(st.integers(0, 4)), data.draw(st.integers(0, 4)))
    row = text.count("\n", 0, offset)
    whole = text.splitlines(keepends=True)
    assert text_around(text, offset, extent) == "".join(whole[max(0, row - extent.before) : row + extent.after + 1])


def test_a_line_without_end_is_cut() -> None:
    assert len(text_around("x" * 5_000_000, 2_500_000, Extent(10, 10))) < 2_000


def test_carriage_returns_are_left_out() -> None:
    assert text_around("a\r\nb\r\n", 3, Extent(1, 1)) == "a\nb\n"
