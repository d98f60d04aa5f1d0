"""Cuts and trims of generated text."""

import pytest

from assistant.filters import (
    Site,
    cut_blank_line,
    cut_dedent,
    cut_line,
    cut_lines,
    cut_suffix,
    trim_partial_line,
    trim_rest_of_line,
    trim_suffix_lines,
    trim_unbalanced,
    trim_white_space,
)

NOWHERE = Site("", "", "")


def test_a_site_is_read_from_the_texts_around_it() -> None:
    site = Site.between("def f():\n    x = (", ") + 1\n\n  \n    return x  \n")
    assert site == Site("    x = (", ") + 1", "    return x", above=("def f():",))
    assert site.one_line
    assert site.indentation == 4


def test_a_blank_line_is_a_site_for_many_lines() -> None:
    assert not Site.between("def f():\n    ", "\n\ndef g():").one_line
    assert Site.between("", "") == NOWHERE


def test_cut_line() -> None:
    assert cut_line("a + b\nprint()\n", NOWHERE) == "a + b"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x = 1\n    return x\n\ndef g():\n", "x = 1\n"),
        ("return x\n\ndef g():\n", ""),
        ("return x\n    y = 2\n", "return x\n    y = 2\n"),  # the same short line, in other company
        ("x = 1\n        return x\n", "x = 1\n        return x\n"),  # another block's
        ("return x + 1\n", "return x + 1\n"),
    ],
)
def test_cut_suffix_ends_where_the_text_after_the_cursor_begins(text: str, kept: str) -> None:
    assert cut_suffix(text, Site("    ", "", "    return x", ("def g():",))) == kept


def test_a_long_line_is_not_there_twice_by_chance() -> None:
    site = Site("    ", "", "    return combine(first, second)", ("def g():",))
    assert cut_suffix("x = 1\n    return combine(first, second)\n", site) == "x = 1\n"


def test_cut_suffix_without_a_suffix_cuts_nothing() -> None:
    assert cut_suffix("\n\na\n", NOWHERE) == "\n\na\n"


def test_cut_blank_line_keeps_blank_lines_at_the_start() -> None:
    assert cut_blank_line("\n  \na\nb\n\nc\n", NOWHERE) == "\n  \na\nb\n"
    assert cut_blank_line("a\nb\n", NOWHERE) == "a\nb\n"


def test_cut_dedent_ends_with_the_block() -> None:
    site = Site("    ", "", "")
    assert cut_dedent("a\n        b\n\n    c\ndef g():\n", site) == "a\n        b\n\n    c\n"
    assert cut_dedent("a\nb\n", NOWHERE) == "a\nb\n"


def test_cut_lines_ends_with_the_last_line_allowed() -> None:
    assert cut_lines(2)("a\nb\nc\n", NOWHERE) == "a\nb"
    assert cut_lines(2)("a\nb\n", NOWHERE) == "a\nb"
    assert cut_lines(2)("a\n", NOWHERE) == "a\n"


@pytest.mark.parametrize(
    ("text", "rest", "kept"),
    [
        ("a, b)", ")", "a, b"),
        ("f(x)", ")", "f(x)"),
        ("f(x))", ")", "f(x)"),
        ("a])", "])", "a"),
        ("a)", "):", "a"),
        ("hello')", "')", "hello"),
        ("'hello'", "'", "'hello'"),
        ("a, b) -> int:", ") -> int:", "a, b"),
        ("x + 1", "", "x + 1"),
        ("x", "x + y", "x"),
        ("first\nsecond)", ")", "first\nsecond"),
        ("", ")", ""),
    ],
)
def test_what_stands_after_the_cursor_is_not_repeated(text: str, rest: str, kept: str) -> None:
    assert trim_rest_of_line(text, Site("call(", rest, "")) == kept


def test_white_space_at_the_end_stays_only_before_text() -> None:
    assert trim_white_space("a,  \n", NOWHERE) == "a,"
    assert trim_white_space("a, ", Site("f(", "b)", "")) == "a, "


def test_a_partial_line_is_dropped_unless_it_is_all() -> None:
    assert trim_partial_line("a\nb\nret", NOWHERE) == "a\nb"
    assert trim_partial_line("ret", NOWHERE) == "ret"
    assert trim_partial_line("\n  ret", NOWHERE) == "\n  ret"


def test_blank_lines_inside_a_definition_are_a_part_of_it() -> None:
    site = Site("    ", "", "", definition=0)
    assert cut_blank_line("a\n\n    b\n\n\ndef g():\n", site) == "a\n\n    b\n"


def test_a_definition_is_filled_to_its_end() -> None:
    site = Site("        ", "", "", definition=0)
    assert cut_dedent("a\n    b\n}\nint g() {\n", site) == "a\n    b\n}\n"
    assert cut_dedent("a\n    b\ndef g():\n", site) == "a\n    b\n"
    assert cut_dedent("\n    a\n}\nint g() {\n", Site("int f() {", "", "", definition=0, block=0)) == "\n    a\n}"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("b();\n    }\n  }", "b();"),
        ("b();\n    }", "b();"),
        ("b();\n      }", "b();\n      }"),
        ("b();", "b();"),
    ],
)
def test_lines_that_are_there_already_are_taken_off(text: str, kept: str) -> None:
    assert trim_suffix_lines(text, Site("      ", "", "    }", ("  }", "}"))) == kept


@pytest.mark.parametrize(
    ("head", "text", "rest", "kept"),
    [
        ("f(", "x) + y", ")", "x"),
        ("f(", "x, y) + g(z", ")", "x, y) + g(z"),
        ("f(g(", "x), y", ")", "x), y"),
        ("f(", "x) + y", "", "x) + y"),
        ("    a, ", "b) + c", ")", "b"),
        ("a[", "i] + b[j", "]", "i] + b[j"),
    ],
)
def test_brackets_are_closed_once(head: str, text: str, rest: str, kept: str) -> None:
    assert trim_unbalanced(text, Site(head, rest, "")) == kept
