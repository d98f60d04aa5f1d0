"""Loops of small models, and code that only looks like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.filters import Site
from assistant.repetition import cut_repetition

NOWHERE = Site("", "", "")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x = 1\nx = 1\nx = 1\nx = 1\n", "x = 1\n"),
        ("a = f(1)\nb = g(1)\na = f(1)\nb = g(1)\n", "a = f(1)\nb = g(1)\n"),
        ("".join(f"value_{number} = {number}\n" for number in range(10)), "value_0 = 0\n"),
        ("x = 1\nx = 1\ny = 2\n", "x = 1\nx = 1\ny = 2\n"),  # twice may be meant
        ("    }\n    }\n    }\n", "    }\n    }\n    }\n"),
        ("f()\n    f()\n        f()\n", "f()\n    f()\n        f()\n"),
        ("", ""),
    ],
)
def test_a_text_that_repeats_itself_is_cut(text: str, kept: str) -> None:
    assert cut_repetition(text, NOWHERE) == kept


def test_lines_above_the_cursor_are_not_written_again() -> None:
    above = ("    total = 0", "    for item in items:")
    assert cut_repetition("total = 0\n    for item in items:\n        x\n", Site("    ", "", "", above=above)) == ""
    assert cut_repetition("x = 1\n", Site("", "", "", above=("x = 1", "x = 1"))) == ""
    assert cut_repetition("x = 1\n", Site("", "", "", above=("x = 1",))) == "x = 1\n"


def test_a_table_may_be_continued() -> None:
    table = tuple(f"value_{number} = {number}" for number in range(8))
    assert cut_repetition("value_8 = 8\nvalue_9 = 9\n", Site("", "", "", above=table)) == "value_8 = 8\nvalue_9 = 9\n"


code_lines = st.lists(st.sampled_from(["", "    x = 1", "    y = 2", "    }", "z(3)", "z(4)"]), max_size=24)


@given(code_lines, code_lines)
def test_what_is_left_is_a_beginning_that_does_not_repeat(lines: list[str], above: list[str]) -> None:
    site = Site("", "", "", above=tuple(line for line in above if line)[-8:])
    text = "".join(f"{line}\n" for line in lines)
    kept = cut_repetition(text, site)
    assert text.startswith(kept)
    assert cut_repetition(kept, site) == kept
