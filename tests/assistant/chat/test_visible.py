"""Nothing that a model or a file says steers the terminal, and all other text stays as it is."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from assistant.chat.visible import visible, visible_line


def test_control_sequences_are_pictures() -> None:
    assert visible("\x1b[31mred\x07\x7f") == "␛[31mred␇␡"
    assert visible("\x9b2J") == "<U+009B>2J"
    assert visible("a\r\nb\rc") == "a\nb␍c"


def test_turned_text_is_shown_for_what_it_is() -> None:
    assert visible("if (\u202eadmin") == "if (<U+202E>admin"
    assert visible("\u2066x") == "<U+2066>x"


def test_scripts_and_emoji_stay() -> None:
    for text in ("שלום עולם", "می‌خواهم", "👩‍👩‍👧‍👦 ❤️", "é", "日本語\t\n"):
        assert visible(text) == text


@given(st.text())
def test_what_is_left_has_no_control_characters(text: str) -> None:
    shown = visible(text)
    assert not [each for each in shown if unicodedata.category(each) in {"Cc", "Cs"} and each not in "\n\t"]
    assert visible(shown) == shown
    assert "\n" not in visible_line(text)
