"""Cutting a completion back to what parses, beside the text that really stands around it."""

import re
from collections.abc import Iterator
from functools import cache

from assistant.filters import Site
from assistant.grammars import Grammar
from assistant.syntax import error_count, excerpt

# Beginnings tried, each for a parse or a few of so much text: a millisecond each.
_CHARACTERS = 4_096
_MAX_LINES = 16
_MAX_TOKENS = 24
_MAX_PARSES = 100

# Where a text may break off without being wrong: each of these would make it whole.
_PYTHON_ENDS = (":",)
_BRACE_ENDS = (";", " {}")
_TRY_ENDS = (" finally {}",)
_ENDS: dict[Grammar, tuple[str, ...]] = {
    Grammar.PYTHON: _PYTHON_ENDS,
    Grammar.JAVA: (*_BRACE_ENDS, *_TRY_ENDS, "\nvoid f() {}"),
    Grammar.CPP: (*_BRACE_ENDS, " catch (...) {}", "\nvoid f();"),
    Grammar.JAVASCRIPT: (*_BRACE_ENDS, *_TRY_ENDS),
    Grammar.TYPESCRIPT: (*_BRACE_ENDS, *_TRY_ENDS),
    Grammar.TSX: (*_BRACE_ENDS, *_TRY_ENDS),
}
_MARKUP = {Grammar.JAVASCRIPT, Grammar.TSX}

_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'')
_TOKEN_ENDS = re.compile(r"(?<=\w)(?=\W)|(?<=[^\w\s])")
_TAG = re.compile(r"(?:^|[\s(>])</?[A-Za-z][\w.]*[\s>/]|</?>")


def truncate_syntax(text: str, before: str, after: str, grammar: Grammar) -> str:
    """The longest beginning of `text`, at a line's end, that adds no syntax error between `before` and `after`.

    Of a first line that adds some, the longest beginning at a token's end. A text that only breaks off, as a first line
    that opens a block, adds none: it is one that can be ended. Empty if every beginning adds some. Line ends are `\\n`.
    """
    before, after = excerpt(before, after, _CHARACTERS)
    if not text.strip() or (grammar in _MARKUP and _TAG.search(text)):
        return text  # unclosed tags are errors that no bracket tells
    errors = _Errors(before, after, grammar)
    if errors.of(text) == 0:
        return text
    for limit in errors.limits():
        for beginning in (text, *_beginnings(text)):
            if errors.parses > _MAX_PARSES:
                return ""  # what is so hard to mend is worth no more time
            if errors.least(beginning, limit) <= limit:
                return beginning
    return ""


class _Errors:
    """Counts syntax errors of a text between two others."""

    def __init__(self, before: str, after: str, grammar: Grammar) -> None:
        self._before = before
        self._after = after
        self._grammar = grammar
        self.parses = 0
        self.of = cache(self._count)

    def limits(self) -> list[int]:
        """How many errors there may be: as many as without the cursor's line, else as without any completion."""
        site = Site.between(self._before, self._after)
        head, rest = len(self._before) - len(site.line_head), len(site.line_rest)
        without = error_count(self._before[:head] + self._after[rest:], self._grammar)
        here = self.of("")
        return [without, here] if without < here else [here]

    def _count(self, text: str) -> int:
        self.parses += 1
        return error_count(self._before + text + self._after, self._grammar)

    def least(self, text: str, limit: int) -> int:
        """The errors of `text`, or of what ends it best; the first that is within the limit is good enough."""
        least = self.of(text)
        for end in self._ends(text):
            if least <= limit:
                break
            least = min(least, self.of(text + end))
        return least

    def _ends(self, text: str) -> Iterator[str]:
        line_head = self._before[self._before.rfind("\n") + 1 :]
        closers = dict.fromkeys((_closers(text), _closers(line_head + text)))
        ends = _ENDS[self._grammar]
        for closer in closers:
            if closer:
                yield closer
                yield from (closer + end for end in ends)
        yield from ends
        if self._grammar is Grammar.PYTHON:
            head = text[text.rfind("\n") + 1 :] if "\n" in text else line_head
            # A decorator wants its function.
            yield "\n" + head[: len(head) - len(head.lstrip())] + "def f(): pass"
            if text.count('"""') % 2:
                yield '"""'


def _beginnings(text: str) -> Iterator[str]:
    """Shorter texts, the longest first: at line ends, then within the first line at token ends."""
    lines = text.split("\n")
    for count in range(min(len(lines), _MAX_LINES) - 1, 0, -1):
        if (beginning := "\n".join(lines[:count])).strip():
            yield beginning
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    start = sum(len(line) + 1 for line in lines[:first])
    ends = [match.start() for match in _TOKEN_ENDS.finditer(lines[first]) if match.start() < len(lines[first])]
    for end in reversed(ends[-_MAX_TOKENS:]):
        if lines[first][:end].strip():
            yield text[: start + end]


def _closers(text: str) -> str:
    """The brackets that end what `text` opens."""
    opened: list[str] = []
    for character in _QUOTED.sub("", text):
        if character in _CLOSERS:
            opened.append(character)
        elif opened and character == _CLOSERS[opened[-1]]:
            opened.pop()
    return "".join(_CLOSERS[opener] for opener in reversed(opened))
