"""Completing code at a place in a text: window, prompt, generation and cuts."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum

from assistant.catalog import FimTokens
from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine, Generation, Sampling, StopReason, Usage
from assistant.errors import EngineError
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
    trim_white_space,
)
from assistant.fim import fim_prompt
from assistant.window import WindowSize, window_after, window_before

# Special tokens of a prompt, and room for the tokens at the edges that differ when texts are joined.
_PROMPT_OVERHEAD = 8


class Ending(StrEnum):
    """Why a completion ended."""

    END_TOKEN = "end-token"  # noqa: S105
    LINE = "line"
    SUFFIX = "suffix"
    BLANK_LINE = "blank-line"
    DEDENT = "dedent"
    LINE_LIMIT = "line-limit"
    TOKEN_LIMIT = "token-limit"  # noqa: S105
    CONTEXT_FULL = "context-full"
    CANCELLED = "cancelled"


_ENDINGS = {
    StopReason.END_TOKEN: Ending.END_TOKEN,
    StopReason.LIMIT: Ending.TOKEN_LIMIT,
    StopReason.CONTEXT_FULL: Ending.CONTEXT_FULL,
    StopReason.CANCELLED: Ending.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class CompletionOptions:
    """How to complete.

    Attributes:
        lines: one line or many.
        max_tokens: tokens of new text, at most.
        max_lines: lines of a completion of many, at most.
        temperature: 0 is greedy, and deterministic.
        seed: for temperatures above 0.
        window: how much of the text around the cursor the model sees.
    """

    lines: Lines = Lines.AUTO
    max_tokens: int = 128
    max_lines: int = 16
    temperature: float = 0.0
    seed: int = 0
    window: WindowSize = field(default_factory=WindowSize)


@dataclass(frozen=True, slots=True)
class Completion:
    """A completion.

    Attributes:
        text: what to insert at the cursor.
        usage: what it cost.
        model: name of the model that wrote it.
        ending: why it ended.
        seconds: from the request to the end.
        first_text_seconds: from the request to the first new text; None if there was none.
    """

    text: str
    usage: Usage
    model: str
    ending: Ending
    seconds: float
    first_text_seconds: float | None


class Completer:
    """Completes code with one model."""

    def __init__(self, engine: Engine, fim: FimTokens) -> None:
        self._engine = engine
        self._fim = fim

    def complete(
        self, before: str, after: str, options: CompletionOptions, cancel: Cancellation | None = None
    ) -> Completion:
        """What goes between the texts before and after the cursor, with the line ends of those texts.

        Raises:
            EngineError: the model fails, or its context has no room for a prompt.
        """
        engine = self._engine
        room = engine.info.context - options.max_tokens - _PROMPT_OVERHEAD
        if room < 1:
            raise EngineError(
                f"A context of {engine.info.context} tokens has no room for a prompt and {options.max_tokens} new; "
                "lower --max-tokens or raise SNED_CONTEXT."
            )
        started = time.perf_counter()
        size = options.window.within(room)
        seen_before = _unix(window_before(before, size, engine.count_tokens))
        seen_after = _unix(window_after(after, size, engine.count_tokens))
        sampling = Sampling(max_tokens=options.max_tokens, temperature=options.temperature, seed=options.seed)
        site = Site.between(seen_before, seen_after)
        generation = engine.generate(fim_prompt(self._fim, seen_before, seen_after), sampling, cancel)
        with closing(generation):
            stream = _Stream(cuts_for(site, options), site)
            stream.read(generation)
        text = trimmed(stream.text, site, stream.ending)
        if "\r\n" in before or "\r\n" in after:
            text = text.replace("\n", "\r\n")
        first = stream.first_piece_at
        return Completion(
            text,
            generation.usage,
            engine.info.name,
            stream.ending,
            seconds=time.perf_counter() - started,
            first_text_seconds=None if first is None else first - started,
        )


def cuts_for(site: Site, options: CompletionOptions) -> list[tuple[Ending, Cut]]:
    """The cuts of a completion at `site`, each with the ending it stands for, in the order they are tried."""
    if options.lines is Lines.ONE or (options.lines is Lines.AUTO and site.one_line):
        return [(Ending.SUFFIX, cut_suffix), (Ending.LINE, cut_line)]
    return [
        (Ending.SUFFIX, cut_suffix),
        (Ending.DEDENT, cut_dedent),
        (Ending.BLANK_LINE, cut_blank_line),
        (Ending.LINE_LIMIT, cut_lines(options.max_lines)),
    ]


def trimmed(text: str, site: Site, ending: Ending) -> str:
    """A completion's text without what should not be inserted at `site`."""
    if ending in (Ending.TOKEN_LIMIT, Ending.CONTEXT_FULL):
        text = trim_partial_line(text, site)
    return trim_white_space(trim_rest_of_line(text, site), site)


class _Stream:
    """Text as it is generated, until a cut applies."""

    def __init__(self, cuts: Sequence[tuple[Ending, Cut]], site: Site) -> None:
        self.text = ""
        self.ending = Ending.END_TOKEN
        self.first_piece_at: float | None = None
        self._cuts = cuts
        self._site = site

    def read(self, generation: Generation) -> None:
        for piece in generation:
            if self.first_piece_at is None:
                self.first_piece_at = time.perf_counter()
            self.text += piece
            if "\n" in piece and self._cut(self.text[: self.text.rfind("\n") + 1]):
                return
        self.ending = _ENDINGS[generation.usage.stop_reason]
        ended_line = self.text + "\n"
        self.text = min((cut(ended_line, self._site) for _, cut in self._cuts), key=len).removesuffix("\n")

    def _cut(self, lines: str) -> bool:
        """Applies the cut that leaves the least of these whole lines, if one leaves less than all."""
        kept, ending = min(
            ((cut(lines, self._site), ending) for ending, cut in self._cuts), key=lambda each: len(each[0])
        )
        if len(kept) == len(lines):
            return False
        self.text, self.ending = kept, ending
        return True


def _unix(text: str) -> str:
    # Models have seen far more text with such line ends; a completion gets the file's own again.
    return text.replace("\r\n", "\n")
