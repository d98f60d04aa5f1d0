"""Brackets and quotes that an editor closes by itself, while a suggestion is typed that closes them too."""

_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_QUOTES = frozenset("\"'`")
_MOST_CLOSERS = 8
# Whatever an editor writes behind the cursor begins with one of these.
CLOSERS = frozenset(_CLOSERS.values()) | _QUOTES


def closers_of(typed: str) -> str:
    """What an editor that closes brackets and quotes has written behind the cursor once `typed` was typed."""
    return "".join(reversed(_unclosed(typed)))


def without_closers(between: str) -> str:
    """What was typed, where `between` is new around the cursor: without what an editor may have written behind it."""
    for count in range(min(_MOST_CLOSERS, len(between) // 2), 0, -1):
        if closers_of(typed := between[:-count]) == between[-count:]:
            return typed
    return between


def until_closed(typed: str, rest: str) -> str:
    """The beginning of `rest` up to where it closes what `typed` left open last; all of it if it does not."""
    waiting = _unclosed(typed)
    depth = len(waiting)
    for place, letter in enumerate(rest):
        escaped = (rest[place - 1] if place else typed[-1:]) == "\\"
        _read(letter, waiting, escaped=escaped)
        if len(waiting) < depth:
            return rest[:place]
    return rest


def _unclosed(text: str) -> list[str]:
    """The closers that a text waits for, the outermost first."""
    waiting: list[str] = []
    for place, letter in enumerate(text):
        _read(letter, waiting, escaped=place > 0 and text[place - 1] == "\\")
    return waiting


def _read(letter: str, waiting: list[str], *, escaped: bool) -> None:
    quoted = bool(waiting) and waiting[-1] in _QUOTES
    if waiting and letter == waiting[-1] and not (quoted and escaped):
        waiting.pop()
    elif not quoted and (closer := letter if letter in _QUOTES else _CLOSERS.get(letter)) is not None:
        waiting.append(closer)
