"""Whether a suggestion that is being written is still for the text there is."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.engine.cancellation import Cancellation
from assistant.suggestion.types import Buffer, SuggestionRequest
from assistant.suggestion.underway import Underway

URI = "file:///p/main.py"
TEXT = st.text(alphabet="ab(\n\r é😀", max_size=12)


def buffer(text: str, uri: str = URI) -> Buffer:
    return Buffer(uri, Path("/p/main.py"), "python", 1, text)


def begun(before: str, after: str) -> tuple[Underway, Cancellation]:
    cancel = Cancellation()
    return Underway(SuggestionRequest(buffer(before + after), len(before)), cancel), cancel


@given(TEXT, TEXT, TEXT, st.integers(0, 12), st.integers(0, 12))
def test_typing_what_is_written_stops_nothing(before: str, after: str, written: str, part: int, typed: int) -> None:
    written = written.replace("\r", "")
    underway, cancel = begun(before, after)
    underway.wrote(written[:part])
    assert underway.follow(buffer(before + written[:typed] + after))
    underway.wrote(written)
    assert not cancel.is_set()


@given(TEXT, TEXT, st.text("ab", min_size=1), st.text("ab", min_size=1), st.booleans())
def test_what_contradicts_the_typed_text_is_stopped_whichever_comes_first(
    before: str, after: str, written: str, typed: str, typed_first: bool
) -> None:
    underway, cancel = begun(before, after)
    now = buffer(before + typed + after)
    if typed_first:
        underway.follow(now)
        underway.wrote(written)
    else:
        underway.wrote(written)
        underway.follow(now)
    assert cancel.is_set() == (not written.startswith(typed) and not typed.startswith(written))


@given(TEXT, TEXT, TEXT)
def test_it_follows_a_text_only_where_all_around_its_place_is_as_it_was(before: str, after: str, now: str) -> None:
    underway, _ = begun(before, after)
    fits = now.startswith(before) and now.endswith(after) and len(now) >= len(before) + len(after)
    assert underway.follow(buffer(now)) == fits


def test_line_ends_of_dos_are_those_that_the_model_writes() -> None:
    underway, cancel = begun("if x:", "\r\n")
    underway.wrote("\n    return")
    assert underway.follow(buffer("if x:\r\n    r\r\n"))
    assert not cancel.is_set()


def test_other_documents_are_none_of_its_business() -> None:
    underway, cancel = begun("a = ", "")
    assert not underway.follow(buffer("a = ", "file:///other.py"))
    assert not underway.shares_prompt(buffer("a = ", "file:///other.py"))
    assert not cancel.is_set()


@pytest.mark.parametrize(
    ("now", "shared"),
    [("x\nab)\n", True), ("x\n)\n", True), ("x)\n", False), ("x\nax)\n", False), ("x\nabc]\n", False)],
)
def test_what_was_deleted_on_the_line_leaves_the_prompt_of_use(now: str, shared: bool) -> None:
    underway, _ = begun("x\nabc", ")\n")
    assert underway.shares_prompt(buffer(now)) == shared


def test_brackets_that_an_editor_closes_do_not_stop_what_closes_them_too() -> None:
    underway, cancel = begun("x = ", "\ny = 2\n")
    underway.wrote("f(")
    now = buffer("x = f()\ny = 2\n")
    assert underway.follow(now)  # where the cursor is, a change of the text does not say
    assert underway.follow(now, len("x = f("))
    underway.wrote("f(a)")
    assert not cancel.is_set()
    assert not underway.follow(now, len("x = f()"))  # the bracket was typed, and nothing between
    assert cancel.is_set()


def test_what_stands_behind_the_cursor_is_no_bracket_that_was_closed() -> None:
    underway, _ = begun("x = ", "\n")
    assert not underway.follow(buffer("x = f]\n"), len("x = f"))
    assert not underway.follow(buffer("x = f(]\n"), len("x = f("))
    assert not underway.follow(buffer("x = \n"), len("x"))
