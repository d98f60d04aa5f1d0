"""Completing code at a place in a text: window, prompt, generation and filters."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from assistant.catalog import FimTokens
from assistant.context.types import Chunk
from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine, Prompt, Sampling, Usage
from assistant.errors import EngineError
from assistant.filters import Lines
from assistant.fim import FileName, fim_prompt, fim_prompt_beginning
from assistant.finishing import Ending, Refusal, Surroundings, cuts_for, finish
from assistant.grammars import Grammar
from assistant.reparsing import DocumentParsers
from assistant.streaming import Stream
from assistant.window import WindowSize, window_after, window_before

# Special tokens of a prompt, and room for the tokens at the edges that differ when texts are joined.
_PROMPT_OVERHEAD = 8


@dataclass(frozen=True, slots=True)
class CompletionOptions:
    """How to complete.

    Attributes:
        lines: one line or many.
        max_tokens: tokens of new text, at most.
        max_lines: lines of a completion of many, at most.
        max_seconds: of decoding, counted from the first new text; then the whole lines so far are the completion.
        temperature: 0 is greedy, and deterministic.
        seed: for temperatures above 0.
        window: how much of the text around the cursor the model sees.
    """

    lines: Lines = Lines.AUTO
    max_tokens: int = 128
    max_lines: int = 16
    max_seconds: float | None = None
    temperature: float = 0.0
    seed: int = 0
    window: WindowSize = field(default_factory=WindowSize)


@dataclass(frozen=True, slots=True)
class Place:
    """What else is known of where a completion goes.

    Attributes:
        grammar: what the text can be parsed as.
        chunks: of other files, for the prompt.
        file: what the file is called in a prompt with chunks.
        automatic: nobody asked for this completion, so too little of it is nothing.
        sequence: names the document, whose prompts follow one another.
    """

    grammar: Grammar | None = None
    chunks: Sequence[Chunk] = ()
    file: FileName | None = None
    automatic: bool = False
    sequence: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A completion to compute.

    Attributes:
        before: the text before the cursor.
        after: the text after it.
        options: how to complete.
        place: what else is known.
        prompt: what is made of all that.
        begun: when it was asked for, by `time.perf_counter`.
        shift: tokens that were evaluated elsewhere in the sequence's last prompt may stand in for the prompt's.
    """

    before: str
    after: str
    options: CompletionOptions
    place: Place
    prompt: Prompt
    begun: float
    shift: bool = False


@dataclass(frozen=True, slots=True)
class Completion:
    """A completion.

    Attributes:
        text: what to insert at the cursor.
        usage: what it cost.
        model: name of the model that wrote it.
        ending: why it ended.
        refusal: why there is no text; None if there is some.
        seconds: from the request to the end.
        first_text_seconds: from the request to the first new text; None if there was none.
    """

    text: str
    usage: Usage
    model: str
    ending: Ending
    refusal: Refusal | None
    seconds: float
    first_text_seconds: float | None


class Completer:
    """Completes code with one model."""

    def __init__(self, engine: Engine, fim: FimTokens) -> None:
        self._engine = engine
        self._fim = fim
        self._parsers = DocumentParsers()

    def complete(
        self,
        before: str,
        after: str,
        options: CompletionOptions,
        cancel: Cancellation | None = None,
        place: Place | None = None,
    ) -> Completion:
        """What goes between the texts before and after the cursor, with the line ends of those texts.

        Raises:
            EngineError: the model fails, or its context has no room for a prompt.
        """
        return self.perform(self.task(before, after, options, place or Place()), cancel)

    def task(self, before: str, after: str, options: CompletionOptions, place: Place) -> Task:
        """What `complete` would perform, with the prompt it would take.

        Raises:
            EngineError: the model's context has no room for a prompt.
        """
        begun = time.perf_counter()
        return Task(before, after, options, place, self._prompt(before, after, options, place), begun)

    def beginning(self, place: Place) -> Prompt:
        """What the prompts for a place with chunks begin with, before anything of the file itself."""
        return fim_prompt_beginning(self._fim, place.chunks, place.file)

    def perform(
        self, task: Task, cancel: Cancellation | None = None, heard: Callable[[str], None] | None = None
    ) -> Completion:
        """The completion of a task.

        While the model writes, `heard` is called with all that it has written, before anything is filtered.

        Raises:
            EngineError: the model fails.
        """
        options, place = task.options, task.place
        parsers = self._parsers.of(place.sequence)
        around = Surroundings.read(task.before, task.after, place.grammar, options.lines, parsers)
        sampling = Sampling(max_tokens=options.max_tokens, temperature=options.temperature, seed=options.seed)
        generation = self._engine.generate(task.prompt, sampling, cancel, sequence=place.sequence, shift=task.shift)
        with closing(generation):
            stream = Stream(cuts_for(around.lines, options.max_lines), around.site, options.max_seconds, heard)
            stream.read(generation)
        finished = finish(stream.text, around, stream.ending, automatic=place.automatic)
        first = stream.first_piece_at
        return Completion(
            finished.text.replace("\n", "\r\n") if _is_dos(task.before, task.after) else finished.text,
            generation.usage,
            self._engine.info.name,
            stream.ending,
            finished.refusal,
            seconds=time.perf_counter() - task.begun,
            first_text_seconds=None if first is None else first - task.begun,
        )

    def _prompt(self, before: str, after: str, options: CompletionOptions, place: Place) -> Prompt:
        engine = self._engine
        taken = sum(engine.count_tokens(chunk.text) + engine.count_tokens(chunk.path) for chunk in place.chunks)
        room = engine.info.context - options.max_tokens - _PROMPT_OVERHEAD - taken - 4 * len(place.chunks)
        if room < 1:
            raise EngineError(
                f"A context of {engine.info.context} tokens has no room for a prompt and {options.max_tokens} new; "
                "lower --max-tokens or raise SNED_CONTEXT."
            )
        size = options.window.within(room)
        seen_before = _unix(window_before(before, size, engine.count_tokens))
        seen_after = _unix(window_after(after, size, engine.count_tokens))
        return fim_prompt(self._fim, seen_before, seen_after, place.chunks, place.file)


def _is_dos(before: str, after: str) -> bool:
    """Whether lines end as on DOS, by the one before the cursor or the one after it."""
    end = before.rfind("\n")
    if end >= 0:
        return before[end - 1 : end] == "\r"
    end = after.find("\n")
    return end > 0 and after[end - 1] == "\r"


def _unix(text: str) -> str:
    # Models have seen far more text with such line ends; a completion gets the file's own again.
    return text.replace("\r\n", "\n")
