"""One generation of the llama.cpp engine: prefill, then a token at a time, as text."""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock

from assistant.engine.cache import KVCache, Prefill
from assistant.engine.cancellation import Cancellation
from assistant.engine.drafting import Draft
from assistant.engine.healing import Constraint
from assistant.engine.protocol import Sampling, StopReason, Usage
from assistant.engine.sampling import Logits
from assistant.engine.vocabulary import Vocabulary
from assistant.errors import EngineError

_WAIT_SECONDS = 0.05


@dataclass(slots=True)
class LoadedModel:
    """What generations share: they evaluate one at a time, under the lock.

    Attributes:
        context: tokens that prompt and completion may have together.
        evaluated_tokens: how many were evaluated besides the cache's.
    """

    vocabulary: Vocabulary
    cache: KVCache
    context: int
    evaluated_tokens: int = 0
    in_use: Lock = field(default_factory=Lock)
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt to prefill, what the model has to begin with after it, and how to go on."""

    prompt: Prefill
    constraint: Constraint
    sampling: Sampling
    cancel: Cancellation


class LlamaGeneration:
    """A running generation (the protocol's `Generation`)."""

    def __init__(self, model: LoadedModel, request: Request) -> None:
        self._model = model
        self._request = request
        room = model.context - len(request.prompt.tokens)
        self._draft = Draft(model.vocabulary, request.constraint, request.sampling, room)
        self._cached = 0
        self._decode_steps = 0
        self._prefill_seconds = 0.0
        self._decode_seconds = 0.0
        self._stop_reason = StopReason.CALLER
        self._pieces = self._run()

    def __iter__(self) -> Iterator[str]:
        return self._pieces

    def close(self) -> None:
        """Stops generating."""
        self._pieces.close()

    @property
    def usage(self) -> Usage:
        """What it cost so far; complete once iteration has ended."""
        return Usage(
            prompt_tokens=len(self._request.prompt.tokens),
            cached_tokens=self._cached,
            completion_tokens=len(self._draft.tokens),
            decode_steps=self._decode_steps,
            prefill_seconds=self._prefill_seconds,
            decode_seconds=self._decode_seconds,
            stop_reason=self._stop_reason,
        )

    def prefill(self) -> Usage:
        """Evaluates the prompt and nothing more, instead of an iteration."""
        self._pieces.close()
        with self._turn() as mine:
            if not mine or self._prefill() is None:
                self._stop_reason = StopReason.CANCELLED
        return self.usage

    def _run(self) -> Generator[str, None, None]:
        try:
            while (text := self._next()) is not None:
                if text:
                    yield text
                if self._draft.ended is not None:
                    self._stop_reason = self._draft.ended
                    return
        finally:
            self._draft.close()

    def _next(self) -> str | None:
        """Evaluates what was chosen last, or the prompt, and chooses a token; gives its text, None when cancelled.

        Other generations may have run since the last one.
        """
        with self._turn() as mine:
            logits = self._logits() if mine else None
            if logits is None:
                self._stop_reason = StopReason.CANCELLED
                return None
            started = time.perf_counter()
            try:
                return self._draft.choose(logits)
            finally:
                self._decode_seconds += time.perf_counter() - started

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        """Waits for the model and holds it; False when cancelled before."""
        while not self._model.in_use.acquire(timeout=_WAIT_SECONDS):
            if self._request.cancel.is_set():
                yield False
                return
        try:
            if self._model.closed:
                raise EngineError("The model has been closed; open it again.")
            with self._model.cache.stoppable(self._request.cancel):
                yield True
        finally:
            self._model.in_use.release()

    def _logits(self) -> Logits | None:
        """What the model says of the next token; None when cancelled."""
        if not self._draft.tokens:
            return self._prefill()
        started = time.perf_counter()
        prompt, cancel = self._request.prompt, self._request.cancel
        logits = self._model.cache.extend(replace(prompt, tokens=[*prompt.tokens, *self._draft.tokens]), cancel)
        self._decode_seconds += time.perf_counter() - started
        self._decode_steps += 1
        return logits

    def _prefill(self) -> Logits | None:
        started = time.perf_counter()
        filled = self._model.cache.prefill(self._request.prompt, self._request.cancel)
        self._cached = filled.cached
        self._prefill_seconds = time.perf_counter() - started
        return filled.logits
