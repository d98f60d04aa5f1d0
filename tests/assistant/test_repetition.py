"""Loops of small models, and code that only looks like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.filters import Site
from assistant.repetition import cut_loop, cut_repetition

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


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("sqzs" * 8, ""),
        ("x = " + "foo." * 9 + "fo", "x = "),
        ("x = [" + "1, " * 17, "x = ["),
        ('print("' + "ha " * 8, 'print("'),
        ("first = 1\n    second = " + "third or " * 8, "first = 1\n    second ="),
        ("promise" + ".then((value) => value + 1)" * 5, "promise"),
        ("x = " + "(" * 121, "x = "),
        ("x = '" + "a" * 121, "x = '"),
        ("# " + "\N{CJK UNIFIED IDEOGRAPH-54C8}\N{CJK UNIFIED IDEOGRAPH-5475}" * 8, "# "),
    ],
)
def test_a_line_that_goes_round_in_circles_is_cut_before_the_circles(text: str, kept: str) -> None:
    assert cut_loop(text, NOWHERE) == kept


@pytest.mark.parametrize(
    "text",
    [
        "sqzs" * 7,
        "# " + "-" * 118,
        "=" * 100,
        " " * 119 + "# far to the right",
        "+-----" * 16,
        "| --- " * 12,
        "x = '" + "AAAA" * 16,
        "x = '" + "0" * 64,
        "row = [" + "0, " * 16,
        "{" + "0x00, " * 16,
        "00000010  " + "ff " * 16,
        "b'" + "\\xff" * 16,
        "'" + "%02x" * 16,
        "[" + "[0, 0], " * 14,
        "{" + "false, " * 16,
        "(" + "None, " * 16,
        "'" + "\\n" * 16,
        "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, ",
        "a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, ",
        "sqzs" * 20 + "\n",
        "sqzs" * 20 + "]",
        "",
    ],
)
def test_tables_rulers_and_bytes_are_no_loops(text: str) -> None:
    assert cut_loop(text, NOWHERE) == text


def test_a_loop_counts_what_stands_before_the_cursor_once_the_model_goes_on_with_it() -> None:
    garbage = Site("sqzs" * 10, "", "")
    assert cut_loop("sqzs" * 2, garbage) == "sqzs" * 2
    assert cut_loop("sqzs" * 3, garbage) == ""
    assert cut_loop("x\n" + "sqzs" * 3, garbage) == "x\n" + "sqzs" * 3


words = st.text("abcxyz(). ,=_", min_size=1, max_size=40)


@given(words, words.filter(lambda unit: any(map(str.isalpha, unit))), st.integers(0, 200))
def test_every_loop_is_found_whatever_its_unit_and_wherever_it_is_broken_off(
    begin: str, unit: str, broken_off: int
) -> None:
    text = begin + unit * 130
    text = text[: len(text) - broken_off % len(unit)]
    kept = cut_loop(text, NOWHERE)
    assert len(kept) <= len(begin)
    assert text.startswith(kept)


@given(st.text("ab0, -\n", max_size=200), st.text("ab0, -", max_size=40))
def test_only_what_repeats_at_the_end_of_the_line_is_cut(text: str, head: str) -> None:
    kept = cut_loop(text, Site(head, "", ""))
    assert text.startswith(kept)
    if kept != text:
        line = text[text.rfind("\n") + 1 :]
        looped = (line if "\n" in text else head + line)[-16:]
        assert any(looped[length:] == looped[:-length] for length in range(1, len(looped)))
        assert len(kept) >= len(text) - len(line)


def looped(text: str, head: str) -> bool:
    """Whether `text` ends in a loop, by trying every length of its unit."""
    line = text[text.rfind("\n") + 1 :]
    end = line if "\n" in text else head + line
    units = (end[-length:] for length in range(1, min(64, len(line) // 3) + 1))
    return any(end.endswith(unit * max(4, 120 // len(unit) + 1)) for unit in units)


@given(
    st.text("ab1, \n", max_size=8),
    st.text("ab1, ", min_size=1, max_size=70),
    st.integers(0, 140),
    st.text("ab1, ", max_size=2),
    st.text("ab1, ", max_size=8),
)
def test_a_loop_is_found_whatever_its_unit_is(begin: str, unit: str, times: int, rest: str, head: str) -> None:
    text = begin + unit * min(times, 600 // len(unit)) + rest
    kept = cut_loop(text, Site(head, "", ""))
    assert text.startswith(kept)
    assert len(kept) < len(text) or not looped(text, head)
