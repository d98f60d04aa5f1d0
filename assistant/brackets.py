"""Brackets that a text opens and does not close."""

import re

from assistant.filters import indentation

_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'')
# Lines below that may close what the cursor's line opens.
_LINES = 32


def closers(text: str) -> str:
    """The brackets that end what `text` opens, the innermost first."""
    opened: list[str] = []
    for character in _QUOTED.sub("", text):
        if character in _CLOSERS:
            opened.append(character)
        elif opened and character == _CLOSERS[opened[-1]]:
            opened.pop()
    return "".join(_CLOSERS[opener] for opener in reversed(opened))


def closes_more(text: str) -> bool:
    """Whether `text` closes a bracket that it did not open."""
    depth = 0
    for character in _QUOTED.sub("", text):
        depth += (character in _CLOSERS) - (character in _CLOSERS.values())
        if depth < 0:
            return True
    return False


def missing_closers(line: str, below: str) -> str:
    """The brackets that end what `line` opens; none if the lines `below` do, by their indentation.

    Braces are left open, and what is opened around them: it is as usual for them to be closed by lines farther below.
    """
    missing = closers(line)
    if not missing or "}" in missing:
        return ""
    continued = [line]
    for each in below.split("\n", _LINES)[:_LINES]:
        if each.strip() and indentation(each) <= indentation(line):
            if each.lstrip()[0] in ")]":
                continued.append(each)
            break
        continued.append(each)
    return "" if len(closers("\n".join(continued))) < len(missing) else missing
