"""Beginnings of a suggestion that may be accepted alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.suggestion.parts import first_line, first_word


@pytest.mark.parametrize(
    ("text", "word", "line"),
    [
        ("compute(a, b)", "compute", "compute(a, b)"),
        ("(a, b)\nmore", "(", "(a, b)"),
        ("  größe += 1", "  größe", "  größe += 1"),
        ("\n    return x\n    y", "\n    return", "\n    return x"),
        ("\r\n    return x\r\ny", "\r\n    return", "\r\n    return x"),
        ("", "", ""),
    ],
)
def test_parts(text: str, word: str, line: str) -> None:
    assert (first_word(text), first_line(text)) == (word, line)


@given(st.text(alphabet="ab( \n.é_", max_size=40))
def test_word_after_word_is_the_text(text: str) -> None:
    rest, words = text, []
    while rest:
        words.append(first_word(rest))
        assert words[-1]
        rest = rest[len(words[-1]) :]
    assert "".join(words) == text
    assert text.startswith(first_line(text))
