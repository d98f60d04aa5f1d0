"""Where what a model writes for a function ends: models go on after it."""

import re

from assistant.languages import Language

# So many characters, and twice the stretch that comes again, have to be what stood there one round before.
_CIRCLING = 300
_END = 60
# What begins a line of Python that belongs to the body no more (Chen et al., arXiv 2107.03374, section 2.3,
# have a list of such words; any code at the margin is one).
_PYTHON_END = re.compile(r"^(?=[^\s#)\]}])", re.MULTILINE)
# Strings, character literals and comments, in which braces mean nothing; one that has not ended reaches to the end.
_OPAQUE = re.compile(
    r"//[^\n]*|/\*.*?(?:\*/|\Z)|`(?:\\.|[^`\\])*(?:`|\Z)"
    r'|"(?:\\.|[^"\\\n])*(?:"|\n|\Z)'
    r"|'(?:\\.|[^'\\\n])*(?:'|\n|\Z)",
    re.DOTALL,
)


def body_end(text: str, language: Language) -> int | None:
    """Where the function's body that `text` begins with has ended; None while it may go on.

    In Python at the first line at the margin, elsewhere after the brace that closes the function; in Java after the one
    that closes its class, as further methods may serve it.
    """
    if language is Language.PYTHON:
        # Only a whole line tells: its first character may be one of an unfinished string of many lines.
        return next((match.start() for match in _PYTHON_END.finditer(text) if not _in_long_string(text, match)), None)
    return _closed(text, 2 if language is Language.JAVA else 1)


def finished_body(text: str, language: Language) -> str:
    """The body alone, closed where it can be: what is to be run.

    A Java class that has not ended is closed after its last whole method.
    """
    end = body_end(text, language)
    if end is not None:
        return text[:end]
    if language is Language.JAVA and (method := _closed(text, 1)) is not None:
        last = method
        while (more := _closed(text[last:], 0, opening=True)) is not None:
            last += more
        return text[:last] + "\n}\n"
    return text


def goes_in_circles(text: str) -> bool:
    """Whether the end of `text` is the same stretch of characters again and again.

    A model that chooses the most likely token seldom leaves such a circle before its limit, and no function that has
    one is right.
    """
    end = text[-_END:]
    before = text.rfind(end, 0, len(text) - 1)
    if len(end) < _END or before < 0:
        return False
    period = len(text) - _END - before
    reach = max(_CIRCLING, 2 * period)
    return len(text) >= reach + period and text[-reach:] == text[-reach - period : -period]


def _in_long_string(text: str, match: re.Match[str]) -> bool:
    before = text[: match.start()]
    return before.count('"""') % 2 == 1 or before.count("'''") % 2 == 1


def _closed(text: str, depth: int, *, opening: bool = False) -> int | None:
    """Where the braces that are open, `depth` of them, are all closed; with `opening`, after the first pair or more."""
    plain = _OPAQUE.sub(lambda match: " " * len(match.group()), text)
    for match in re.finditer(r"[{}]", plain):
        depth += 1 if match.group() == "{" else -1
        if depth < 0:
            return None
        if depth == 0 and (match.group() == "}" or not opening):
            return match.end()
    return None
