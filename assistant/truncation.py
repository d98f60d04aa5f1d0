"""Cutting a completion back to what parses, beside the text that really stands around it."""

import re
from collections.abc import Iterator
from functools import cache

from assistant.brackets import closers, closes_more
from assistant.filters import Site
from assistant.grammars import Grammar, Parse, parse
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
# What a line of Python begins with that a `:` may end; after a bracket that was opened above, any may be one's end.
_HEADER = re.compile(r"^\s*(?:async|case|class|def|elif|else|except|finally|for|if|match|try|while|with)\b", re.M)
_MARKUP = {Grammar.JAVASCRIPT, Grammar.TSX}

_TOKEN_ENDS = re.compile(r"(?<=\w)(?=\W)|(?<=[^\w\s])")
_TAG = re.compile(r"(?:^|[\s(>])</?[A-Za-z][\w.]*[\s>/]|</?>")


def truncate_syntax(text: str, before: str, after: str, grammar: Grammar, parse: Parse = parse) -> str:
    """The longest beginning of `text`, at a line's end, that adds no syntax error between `before` and `after`.

    Of a first line that adds some, the longest beginning at a token's end. A text that only breaks off, as a first line
    that opens a block, adds none: it is one that can be ended. Empty if every beginning adds some. Line ends are `\\n`.
    """
    before, after = excerpt(before, after, _CHARACTERS)
    if not text.strip() or (grammar in _MARKUP and _TAG.search(text)):
        return text  # unclosed tags are errors that no bracket tells
    errors = _Errors(before, after, grammar, parse)
    if any(errors.of(each) == 0 for each in (*errors.closed(text), text)):
        return text
    for limit in errors.limits():
        for beginning in (text, *_beginnings(text)):
            if errors.parses > _MAX_PARSES:
                return ""  # what is so hard to mend is worth no more time
            if errors.within(beginning, limit):
                return beginning
    return ""


class _Errors:
    """Counts syntax errors of a text between two others."""

    def __init__(self, before: str, after: str, grammar: Grammar, parse: Parse) -> None:
        self._before = before
        self._after = after
        self._grammar = grammar
        self._parse = parse
        self._line_head = before[before.rfind("\n") + 1 :]
        self.parses = 0
        self.of = cache(self._count)

    def limits(self) -> Iterator[int]:
        """How many errors there may be: as many as without the cursor's line, else as without any completion."""
        site = Site.between(self._before, self._after)
        head, rest = len(self._before) - len(site.line_head), len(site.line_rest)
        without = error_count(self._before[:head] + self._after[rest:], self._grammar, self._parse)
        # A text that breaks off takes longest to parse: its errors are counted only where they matter.
        if without == 0 or without < self.of(""):
            yield without
            if without == self.of(""):
                return
        yield self.of("")

    def _count(self, text: str) -> int:
        self.parses += 1
        return error_count(self._before + text + self._after, self._grammar, self._parse)

    def within(self, text: str, limit: int) -> bool:
        """Whether `text`, or what ends it, has no more errors than that."""
        return any(self.of(each) <= limit for each in self._ended(text))

    def closed(self, text: str) -> list[str]:
        """`text` with the brackets closed that are open in it, or on its line; without it where none are."""
        open_ones = dict.fromkeys((closers(text), closers(self._line_head + text)))
        return [text + each for each in open_ones if each]

    def _ended(self, text: str) -> Iterator[str]:
        """What `text` may come to, the likeliest first: an open bracket makes an error of all that follows."""
        closed, ends = self.closed(text), self._ends(text)
        yield from closed
        yield text
        yield from (each + end for each in closed for end in ends)
        yield from (text + end for end in ends)
        if self._grammar is Grammar.PYTHON and "@" in self._line_head + text:
            head = text[text.rfind("\n") + 1 :] if "\n" in text else self._line_head
            # A decorator wants its function.
            yield text + "\n" + head[: len(head) - len(head.lstrip())] + "def f(): pass"
        if self._grammar is Grammar.PYTHON and text.count('"""') % 2:
            yield text + '"""'

    def _ends(self, text: str) -> tuple[str, ...]:
        written = self._line_head + text
        if self._grammar is Grammar.PYTHON and not (_HEADER.search(written) or closes_more(written)):
            return ()
        return _ENDS[self._grammar]


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
