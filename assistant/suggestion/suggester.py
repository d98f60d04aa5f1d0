"""Suggestions from one model: context, prompt, generation, filters and the cache of what is known already."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Protocol

from assistant.catalog import FimTokens
from assistant.completion import Completer, CompletionOptions, Place, Task
from assistant.context.builder import Choice
from assistant.context.types import Chunk
from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine, StopReason
from assistant.engine.scheduler import Earlier
from assistant.fim import FileName
from assistant.finishing import Ending, Refusal
from assistant.grammars import grammar_of
from assistant.suggestion.alternatives import ALL_SHOWN, draws, is_new
from assistant.suggestion.cache import SuggestionCache
from assistant.suggestion.pace import Pace
from assistant.suggestion.types import Buffer, NoSuggestion, Suggestion, SuggestionRequest
from assistant.suggestion.underway import Underway
from assistant.window import WindowSize


@dataclass(frozen=True, slots=True)
class SuggestionOptions:
    """How to suggest.

    Attributes:
        max_tokens: tokens of new text, at most.
        max_lines: lines of a suggestion of many, at most.
        max_seconds: of decoding; what is whole then is suggested. A person has typed on long before that.
        window: how much of the text around the cursor the model sees.
        patience: seconds that a prompt may take to evaluate before a suggestion that typing asks for. What takes longer
            is evaluated when nothing else is to do, and a shorter prompt answers until then.
    """

    max_tokens: int = 128
    max_lines: int = 16
    max_seconds: float | None = 2.0
    window: WindowSize = field(default_factory=WindowSize)
    patience: float = 1.0


# Who asks for a suggestion by a key waits longer for a better one.
_PATIENCE_WHEN_ASKED = 3.0
# With less around the cursor a model guesses; a machine that is busy with other things is not to come to that.
_LEAST_NEAR_TOKENS = 128
# What was evaluated after other text only stands in for a prompt's own. Of 40 lines to infill 23 were right without, 21
# after 4 moves from line to line, 19 or 20 after 14 (benchmarks/shifting.py); each saved the evaluation of 200 tokens.
_MOST_MOVES = 4
# Evaluated beside the next request, they are not worth a job of their own.
_FEW_TOKENS = 8


class Context(Protocol):
    """What tells a model of the rest of the project: `assistant.context.builder.ContextBuilder`."""

    def chunks(self, request: SuggestionRequest, budget_tokens: int) -> tuple[Chunk, ...]:
        """Stretches of other files for a prompt."""
        ...

    def reconsider(self, request: SuggestionRequest, budget_tokens: int) -> Choice | None:
        """Better ones than those, if there are, to be evaluated when nothing else is to do."""
        ...

    def adopt(self, choice: Choice) -> None:
        """Takes them for prompts from now on."""
        ...

    def path(self, buffer: Buffer) -> str:
        """What a document is called in prompts."""
        ...


class Suggester:
    """Suggests code with one model. `from_cache` belongs to any thread, the other methods to the inference thread.

    A place's whole prompt, with other files' chunks and all of the window, takes seconds to evaluate where the cursor
    has just come to. The first suggestions there come from a small one, of the text next to the cursor, until `prepare`
    has evaluated the whole.
    """

    def __init__(
        self,
        engine: Engine,
        fim_tokens: FimTokens,
        context: Context,
        options: SuggestionOptions | None = None,
        pace: Pace | None = None,
    ) -> None:
        """No suggestion is known yet: another model, or other options, want another suggester.

        `pace` is what has been measured with the model, and goes on being measured.
        """
        self._engine = engine
        self._completer = Completer(engine, fim_tokens)
        self._context = context
        self._options = options or SuggestionOptions()
        self._cache = SuggestionCache()
        self._underway: Underway | None = None
        self._moves: dict[str, int] = {}  # of a document's prompt, since it was evaluated as a whole
        self._pace = pace or Pace()

    def suggest(self, request: SuggestionRequest, cancel: Cancellation) -> Suggestion | NoSuggestion:
        """What to insert at the request's place, or why there is nothing; blocks until the model has written it.

        Raises:
            EngineError: the model fails, or its context has no room for a prompt.
        """
        if request.other_than:
            return self._another(request, cancel)
        return self._known_or_written(request, Underway(request, cancel), cancel)

    def earlier(self, request: SuggestionRequest) -> Earlier:
        """What is to become of the suggestion that is being computed for a document when `request` is made for it.

        Usable from any thread, as the next method is.
        """
        underway = self._underway
        if underway is None or request.other_than or request.lines is not underway.request.lines:
            return Earlier.STOP
        if underway.follow(request.buffer, request.offset):
            return Earlier.GO_ON if underway.begun else Earlier.STOP_SOFTLY
        shares = not underway.begun and underway.shares_prompt(request.buffer)
        return Earlier.STOP_SOFTLY if shares else Earlier.STOP

    def document_edited(self, buffer: Buffer) -> None:
        """Stops what is being computed for a document, unless it is of use for the text that is there now."""
        underway = self._underway
        if underway is None or underway.request.buffer.uri != buffer.uri or underway.ahead:
            return
        if not underway.follow(buffer) and (underway.begun or not underway.shares_prompt(buffer)):
            underway.stop()

    def is_underway(self, request: SuggestionRequest) -> bool:
        """Whether this very request's suggestion is being computed, and not stopped. Usable from any thread."""
        underway = self._underway
        return underway is not None and underway.request is request and not underway.stopped

    def _known_or_written(
        self, request: SuggestionRequest, underway: Underway, cancel: Cancellation
    ) -> Suggestion | NoSuggestion:
        if (known := self.from_cache(request)) is not None:
            return known
        self._underway = underway
        try:
            answer = self._computed(request, self._completion_options(request), cancel, underway.wrote)
        finally:
            self._underway = None
        return self._kept(request, answer) if isinstance(answer, Suggestion) else answer

    def _another(self, request: SuggestionRequest, cancel: Cancellation) -> Suggestion | NoSuggestion:
        """Draws suggestions until one is new; it is then what the cache knows of this place."""
        options = self._completion_options(request)
        for sampling in draws(len(request.other_than)):
            drawn = replace(options, temperature=sampling.temperature, seed=sampling.seed)
            answer = self._computed(request, drawn, cancel)
            if cancel.is_set():
                return NoSuggestion(Refusal.CANCELLED.value)
            if isinstance(answer, Suggestion) and is_new(answer.text, request.other_than):
                return self._kept(request, answer)
        return NoSuggestion(ALL_SHOWN)

    def _kept(self, request: SuggestionRequest, suggestion: Suggestion) -> Suggestion:
        self._cache.put(_group(request), request.buffer.text, request.offset, suggestion.text)
        return suggestion

    def _computed(
        self,
        request: SuggestionRequest,
        options: CompletionOptions,
        cancel: Cancellation,
        heard: Callable[[str], None] | None = None,
    ) -> Suggestion | NoSuggestion:
        started = time.perf_counter()
        if cancel.is_set():
            return NoSuggestion(Refusal.CANCELLED.value)
        completion = self._completer.perform(self._affordable(request, options), cancel, heard)
        self._pace.measure(completion.usage)
        if completion.ending is Ending.CANCELLED:
            return NoSuggestion(Refusal.CANCELLED.value)
        if completion.refusal is not None:
            return NoSuggestion(completion.refusal.value)
        return Suggestion(completion.text, False, completion.usage, time.perf_counter() - started)

    def from_cache(self, request: SuggestionRequest) -> Suggestion | None:
        """What is left of an earlier suggestion that was typed, deleted or accepted up to here, without the model."""
        if request.other_than:
            return None
        started = time.perf_counter()
        text = self._cache.find(_group(request), request.buffer.text, request.offset)
        return Suggestion(text, True, None, time.perf_counter() - started) if text is not None else None

    def ahead(self, request: SuggestionRequest, suggestion: Suggestion, cancel: Cancellation) -> None:
        """Computes the next suggestion as if this one were accepted, so that it is known when it is.

        Raises:
            EngineError: as `suggest`.
        """
        following = _accepted(request, suggestion)
        self._known_or_written(following, Underway(following, cancel, ahead=True), cancel)

    def is_ahead(self, request: SuggestionRequest, suggestion: Suggestion) -> bool:
        """Whether what comes after this suggestion is being computed already. Usable from any thread."""
        underway, following = self._underway, _accepted(request, suggestion)
        return underway is not None and (
            (underway.request.buffer.uri, underway.request.buffer.text, underway.request.offset)
            == (following.buffer.uri, following.buffer.text, following.offset)
        )

    def prepare(self, request: SuggestionRequest, cancel: Cancellation) -> None:
        """Evaluates the whole prompt of the request's place, so that the next request there is answered from it.

        Where most of it was evaluated elsewhere, that is left to stand in for it. Cancelled, it keeps what it has
        evaluated: the next call for the place goes on from there.

        Raises:
            EngineError: as `suggest`.
        """
        whole = self._whole(request, self._completion_options(request))
        missing = self._engine.uncached_tokens(whole.prompt)
        if min(missing, self._uncached_shifted(whole)) <= _FEW_TOKENS:
            return
        better, choice = self._better(request, whole)
        if choice is not None and self._engine.uncached_tokens(better.prompt) <= 2 * missing:
            self._context.adopt(choice)  # the first one would have to be evaluated as well
            whole = better
        self._pace.measure(self._engine.prefill(whole.prompt, cancel, sequence=whole.place.sequence))
        self._moves.pop(whole.place.sequence, None)

    def settle(self, request: SuggestionRequest, cancel: Cancellation) -> None:
        """Makes the prompt of the request's place better, once the user has stopped typing.

        It takes in chunks of the project that only became known since, or worth it, where little else has to be
        evaluated for them. A prompt that was put together too often from what was evaluated at other places is
        evaluated as a whole; the old one goes on to answer until that is done.

        Raises:
            EngineError: as `suggest`.
        """
        whole = self._whole(request, self._completion_options(request))
        sequence = whole.place.sequence
        better, choice = self._better(request, whole)
        if choice is not None and not cancel.is_set() and self._uncached_shifted(better) <= _LEAST_NEAR_TOKENS:
            self._context.adopt(choice)
            self._engine.prefill(better.prompt, cancel, sequence=sequence, shift=True)
            self._moved(sequence)
        elif self._moves.get(sequence, 0) >= _MOST_MOVES:
            usage = self._engine.prefill(whole.prompt, cancel, sequence=f"{sequence} ahead")
            self._pace.measure(usage)
            if usage.stop_reason is not StopReason.CANCELLED:
                self._engine.prefill(whole.prompt, cancel, sequence=sequence)  # which takes it over from the other
                self._moves.pop(sequence, None)

    def _better(self, request: SuggestionRequest, whole: Task) -> tuple[Task, Choice | None]:
        """The task with chunks that are better by now, and these; the same one and None if there are none."""
        choice = self._context.reconsider(request, self._pace.context_budget)
        if choice is None:
            return whole, None
        place = replace(whole.place, chunks=choice.chunks)
        return self._completer.task(request.before, request.after, whole.options, place), choice

    def _moved(self, sequence: str) -> None:
        self._moves[sequence] = self._moves.get(sequence, 0) + 1

    def _uncached_shifted(self, task: Task) -> int:
        """How many tokens of a task's prompt are nowhere in its document's last one."""
        return self._engine.uncached_tokens(task.prompt, sequence=task.place.sequence, shift=True)

    def _whole(self, request: SuggestionRequest, options: CompletionOptions) -> Task:
        return self._completer.task(request.before, request.after, options, self._place(request))

    def _affordable(self, request: SuggestionRequest, options: CompletionOptions) -> Task:
        """The task with its whole prompt if that is evaluated soon enough, if need be with what was elsewhere before.

        Else with the text next to the cursor alone.
        """
        whole = self._whole(request, options)
        patience = self._options.patience * (1 if request.automatic else _PATIENCE_WHEN_ASKED)
        affordable = max(int(self._pace.prefill_rate * patience), _LEAST_NEAR_TOKENS)
        missing = self._engine.uncached_tokens(whole.prompt)
        if missing <= _LEAST_NEAR_TOKENS:
            return whole
        if (new := self._uncached_shifted(whole)) <= min(affordable, missing // 2):
            if new > _FEW_TOKENS:  # another place, and not some characters more
                self._moved(whole.place.sequence)
            return replace(whole, shift=True)
        if missing <= affordable:
            return whole
        # In a sequence of its own: what has been evaluated of the whole prompt stays.
        near = replace(whole.place, chunks=(), sequence=f"{whole.place.sequence} near")
        options = replace(options, window=options.window.within(affordable))
        return self._completer.task(request.before, request.after, options, near)

    def _completion_options(self, request: SuggestionRequest) -> CompletionOptions:
        options = self._options
        return CompletionOptions(
            lines=request.lines,
            max_tokens=options.max_tokens,
            max_lines=options.max_lines,
            max_seconds=options.max_seconds,
            window=options.window,
        )

    def _place(self, request: SuggestionRequest) -> Place:
        buffer, options = request.buffer, self._options
        path = self._context.path(buffer)
        around_cursor = options.window.before + options.window.after + options.max_tokens
        context = self._engine.info.context
        budget = self._pace.afford(context, around_cursor)
        return Place(
            grammar=grammar_of(buffer.language_id, buffer.path),
            chunks=self._context.chunks(request, budget),
            file=FileName(_project(buffer, path), path),
            automatic=request.automatic,
            sequence=buffer.uri,
        )


def _accepted(request: SuggestionRequest, suggestion: Suggestion) -> SuggestionRequest:
    """The request that follows when a suggestion is accepted."""
    text = request.before + suggestion.text + request.after
    offset = request.offset + len(suggestion.text)
    return replace(request, buffer=replace(request.buffer, text=text), offset=offset, other_than=())


def _group(request: SuggestionRequest) -> str:
    return f"{request.buffer.uri}\0{request.lines.value}"


def _project(buffer: Buffer, path: str) -> str:
    """The name of the folder that `path` is relative to."""
    if buffer.path is None:
        return "project"
    depth = len(PurePosixPath(path).parts)
    return buffer.path.parents[min(depth, len(buffer.path.parents)) - 1].name or "project"
