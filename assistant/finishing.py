"""From what a model wrote to what is offered: the filters of a completion, in their order.

Every path to a user's text goes through here: the editor's suggestions and `sned complete`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from assistant.extent import read_site, wanted_lines
from assistant.filters import (
    Cut,
    Lines,
    Site,
    cut_blank_line,
    cut_dedent,
    cut_line,
    cut_lines,
    cut_suffix,
    trim_partial_line,
    trim_rest_of_line,
    trim_suffix_lines,
    trim_unbalanced,
    trim_white_space,
)
from assistant.grammars import Grammar, Parse, parse
from assistant.reparsing import Reparsers
from assistant.repetition import cut_repetition
from assistant.syntax import Inside, excerpt
from assistant.truncation import truncate_syntax


class Ending(StrEnum):
    """Why a completion ended."""

    END_TOKEN = "end-token"  # noqa: S105
    LINE = "line"
    SUFFIX = "suffix"
    BLANK_LINE = "blank-line"
    DEDENT = "dedent"
    REPETITION = "repetition"
    LOOP = "loop"
    LINE_LIMIT = "line-limit"
    TOKEN_LIMIT = "token-limit"  # noqa: S105
    TIME_LIMIT = "time-limit"
    CONTEXT_FULL = "context-full"
    CANCELLED = "cancelled"


class Refusal(StrEnum):
    """Why nothing is offered, in a sentence that a user may read."""

    NOTHING = "The model had nothing to add here."
    REPEATS_AFTER = "The model only repeated the text after the cursor."
    REPEATS_ABOVE = "The model only repeated itself or the lines above the cursor."
    OUTSIDE = "The model had nothing to add to the block at the cursor."
    BROKEN = "What the model wrote would have broken the syntax."
    TOO_LITTLE = "What the model wrote was too little to show while typing; ask for it by the key."
    CANCELLED = "The request was cancelled."


# What an ending means when it leaves nothing.
_REFUSALS = {
    Ending.SUFFIX: Refusal.REPEATS_AFTER,
    Ending.REPETITION: Refusal.REPEATS_ABOVE,
    Ending.LOOP: Refusal.REPEATS_ABOVE,
    Ending.DEDENT: Refusal.OUTSIDE,
    Ending.CANCELLED: Refusal.CANCELLED,
}

# Inside a line wherever they come.
_INSIDE_LINES = {Ending.LOOP, Ending.TOKEN_LIMIT, Ending.TIME_LIMIT, Ending.CONTEXT_FULL}

# Fewer characters are typed faster than they are read and accepted.
_LEAST_CHARACTERS = 3


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The text around a completion, with `\\n` for line ends, and what is read from it.

    Attributes:
        before: the text before the cursor, or enough of it.
        after: the text after the cursor, or enough of it.
        grammar: what it can be parsed as; None where there is no grammar for it.
        site: the lines around the cursor, and the scope it is in.
        inside: whether the cursor is in code; None without a grammar.
        lines: one or many.
        parse: what parses the texts that a completion would lead to.
    """

    before: str
    after: str
    grammar: Grammar | None
    site: Site
    inside: Inside | None
    lines: Lines
    parse: Parse = parse

    @classmethod
    def read(
        cls, before: str, after: str, grammar: Grammar | None, asked: Lines, parsers: Reparsers | None = None
    ) -> "Surroundings":
        """What is around the cursor between two texts of any length and line ends; `parsers` are the document's."""
        parsers = parsers or Reparsers()
        before, after = (text.replace("\r\n", "\n") for text in excerpt(before, after))
        site, syntax = read_site(before, after, grammar, parsers.document.parse)
        inside = syntax.inside if syntax else None
        lines = wanted_lines(asked, site, syntax)
        return cls(before, after, grammar, site, inside, lines, parsers.candidates.parse)


@dataclass(frozen=True, slots=True)
class Finished:
    """What is offered of a completion: `text`, or else the reason why nothing is."""

    text: str
    refusal: Refusal | None = None


def cuts_for(lines: Lines, max_lines: int) -> list[tuple[Ending, Cut]]:
    """The cuts of a completion of one line or many, each with the ending it stands for, in the order they are tried."""
    if lines is Lines.ONE:
        return [(Ending.SUFFIX, cut_suffix), (Ending.LINE, cut_line)]
    return [
        (Ending.SUFFIX, cut_suffix),
        (Ending.DEDENT, cut_dedent),
        (Ending.BLANK_LINE, cut_blank_line),
        (Ending.REPETITION, cut_repetition),
        (Ending.LINE_LIMIT, cut_lines(max_lines)),
    ]


def finish(text: str, around: Surroundings, ending: Ending, *, automatic: bool) -> Finished:
    """What to offer of `text`, which the cuts have ended: never more than it, and nothing where that is better.

    `automatic` is for suggestions that nobody asked for.
    """
    if not text.strip():
        return Finished("", _REFUSALS.get(ending, Refusal.NOTHING))
    for refusal, trim in _trims(around, ending):
        text = trim(text)
        if not text.strip():
            return Finished("", Refusal.REPEATS_ABOVE if ending is Ending.LOOP else refusal)
    if ending is Ending.LOOP and _too_little(text):
        return Finished("", Refusal.REPEATS_ABOVE)
    if automatic and _too_little(text):
        return Finished("", Refusal.TOO_LITTLE)
    return Finished(text)


def _trims(around: Surroundings, ending: Ending) -> list[tuple[Refusal, Callable[[str], str]]]:
    """What is taken off, each with what to say if nothing is left."""
    site, grammar = around.site, around.grammar
    trims: list[tuple[Refusal, Callable[[str], str]]] = [
        (Refusal.REPEATS_AFTER, lambda text: trim_suffix_lines(text, site)),
        (Refusal.REPEATS_ABOVE, lambda text: cut_repetition(text, site)),
        (Refusal.REPEATS_AFTER, lambda text: trim_rest_of_line(text, site)),
        (Refusal.REPEATS_AFTER, lambda text: trim_unbalanced(text, site)),
        (Refusal.NOTHING, lambda text: trim_white_space(text, site)),
    ]
    if ending in _INSIDE_LINES:
        trims.insert(0, (Refusal.NOTHING, lambda text: trim_partial_line(text, site)))
    if grammar is not None and around.inside is Inside.CODE:
        before, after, parse = around.before, around.after, around.parse
        trims.insert(-1, (Refusal.BROKEN, lambda text: truncate_syntax(text, before, after, grammar, parse)))
    return trims


def _too_little(text: str) -> bool:
    """Whether `text` is a few characters, or only punctuation."""
    written = text.strip()
    return len(written) < _LEAST_CHARACTERS or not any(map(str.isalnum, written))
