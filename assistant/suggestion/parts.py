"""Beginnings of a suggestion that a user may accept alone."""

import re

# A word, or a run of the same kind of signs, with the white space in front of it.
_WORD = re.compile(r"\s*(?:\w+|[^\w\s]+)?")
_LINE = re.compile(r"\s*[^\r\n]*")


def first_word(text: str) -> str:
    """The first word of `text`, or its first run of signs, with the white space in front."""
    match = _WORD.match(text)
    return match.group() if match is not None else ""


def first_line(text: str) -> str:
    """The first line of `text` that is not blank, without its end, with the white space in front."""
    match = _LINE.match(text)
    return match.group() if match is not None else ""
