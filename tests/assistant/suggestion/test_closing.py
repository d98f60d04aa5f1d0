"""What editors close by themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.suggestion.closing import closers_of, until_closed, without_closers


@pytest.mark.parametrize(
    ("typed", "closers"),
    [
        ("f(", ")"),
        ("f(a, [", "])"),
        ('print("', '")'),
        ('print("a(', '")'),  # what is in quotes opens nothing
        ('print("a\\"', '")'),
        ('print("a"', ")"),
        ("f()", ""),
        ("a)", ""),
        ("", ""),
    ],
)
def test_what_is_open_is_closed_the_innermost_first(typed: str, closers: str) -> None:
    assert closers_of(typed) == closers


@given(st.text(alphabet="a([{", max_size=12), st.text(alphabet="ab\"'", max_size=8))
def test_what_closes_leaves_nothing_open(opened: str, text: str) -> None:
    typed = opened + text
    assert closers_of(typed + closers_of(typed)) == ""


@given(st.text(alphabet="a([{", min_size=1, max_size=4), st.text(alphabet="a.", max_size=8))
def test_what_was_typed_is_found_in_front_of_what_was_closed(opened: str, text: str) -> None:
    typed = opened + text
    assert typed.startswith(found := without_closers(typed + closers_of(typed)))
    assert found + closers_of(found) == typed + closers_of(typed)


@pytest.mark.parametrize(
    ("typed", "rest", "until"),
    [
        ("f(", "a, g(b)) + 1", "a, g(b)"),
        ("f(", "a,\n", "a,\n"),
        ('f("', 'a)b", c)', "a)b"),
        ('f("\\', '"a")', '"a'),
        ("f", "(a)", "(a)"),
    ],
)
def test_a_suggestion_ends_where_the_editor_has_closed(typed: str, rest: str, until: str) -> None:
    assert until_closed(typed, rest) == until
