"""Suggestions from one model: written by it, found in the cache of what is known already, or computed ahead."""

import time
from dataclasses import replace

from assistant.catalog import FimTokens
from assistant.completion import Completer, CompletionOptions
from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine
from assistant.engine.scheduler import Earlier
from assistant.finishing import Ending, Refusal
from assistant.suggestion.alternatives import ALL_SHOWN, draws, is_new
from assistant.suggestion.cache import SuggestionCache
from assistant.suggestion.pace import Pace
from assistant.suggestion.prompts import Context, PlacePrompts
from assistant.suggestion.types import Buffer, NoSuggestion, Suggestion, SuggestionOptions, SuggestionRequest
from assistant.suggestion.underway import Underway


class Suggester:
    """Suggests code with one model. `from_cache` belongs to any thread, the other methods to the inference thread."""

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
        self._completer = Completer(engine, fim_tokens)
        self._pace = pace or Pace()
        self._prompts = PlacePrompts(engine, self._completer, context, options or SuggestionOptions(), self._pace)
        self._cache = SuggestionCache()
        self._underway: Underway | None = None

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
            answer = self._computed(request, self._prompts.options(request), cancel, underway)
        finally:
            self._underway = None
        return self._kept(request, answer) if isinstance(answer, Suggestion) else answer

    def _another(self, request: SuggestionRequest, cancel: Cancellation) -> Suggestion | NoSuggestion:
        """Draws suggestions until one is new; it is then what the cache knows of this place."""
        options = self._prompts.options(request)
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
        underway: Underway | None = None,
    ) -> Suggestion | NoSuggestion:
        started = time.perf_counter()
        if cancel.is_set():
            return NoSuggestion(Refusal.CANCELLED.value)
        ahead = underway is not None and underway.ahead
        task = self._prompts.affordable(request, options, ahead=ahead)
        if ahead and not self._prompts.is_cheap(task):
            return NoSuggestion(Refusal.CANCELLED.value)
        completion = self._completer.perform(task, cancel, underway.wrote if underway is not None else None)
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

        Where more of its prompt would have to be evaluated than it is worth, nothing is computed.

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

    def open(self, buffer: Buffer, cancel: Cancellation) -> bool:
        """Evaluates what prompts in a document that was just opened begin with: `PlacePrompts.open`.

        Raises:
            EngineError: as `suggest`.
        """
        return self._prompts.open(buffer, cancel)

    def pause(self, request: SuggestionRequest) -> float:
        """For how many seconds the user is not to type before `prepare`. Usable from any thread."""
        return self._prompts.pause(request)

    def prepare(self, request: SuggestionRequest, cancel: Cancellation) -> None:
        """Evaluates the whole prompt of the request's place: `PlacePrompts.prepare`.

        Raises:
            EngineError: as `suggest`.
        """
        self._prompts.prepare(request, cancel)

    def settle(self, request: SuggestionRequest, cancel: Cancellation) -> None:
        """Makes that prompt better, once the user has stopped typing: `PlacePrompts.settle`.

        Raises:
            EngineError: as `suggest`.
        """
        self._prompts.settle(request, cancel)


def _accepted(request: SuggestionRequest, suggestion: Suggestion) -> SuggestionRequest:
    """The request that follows when a suggestion is accepted."""
    text = request.before + suggestion.text + request.after
    offset = request.offset + len(suggestion.text)
    return replace(request, buffer=replace(request.buffer, text=text), offset=offset, other_than=())


def _group(request: SuggestionRequest) -> str:
    return f"{request.buffer.uri}\0{request.lines.value}"
