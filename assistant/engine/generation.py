"""One generation of the llama.cpp engine: prefill, then a token at a time, as text."""

import codecs
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock

from assistant.engine.cache import KVCache, Prefill
from assistant.engine.cancellation import Cancellation
from assistant.engine.healing import Constraint
from assistant.engine.protocol import Sampling, StopReason, Usage
from assistant.engine.sampling import Logits, Sampler
from assistant.engine.vocabulary import Vocabulary
from assistant.errors import EngineError

_WAIT_SECONDS = 0.05


@dataclass(slots=True)
class LoadedModel:
    """What generations share: they evaluate one at a time, under the lock."""

    vocabulary: Vocabulary
    cache: KVCache
    context: int
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
        self._cached = 0
        self._written: list[int] = []
        self._decode_steps = 0
        self._prefill_seconds = 0.0
        self._decode_seconds = 0.0
        self._stop_reason = StopReason.CALLER
        self._new_tokens = 0
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
            completion_tokens=len(self._written),
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
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        with Sampler(self._request.sampling) as sampler:
            while (token := self._next(sampler)) is not None:
                # A character whose bytes are not all there yet stays in the decoder.
                text = decoder.decode(self._request.constraint.accept(self._model.vocabulary.piece(token)))
                self._new_tokens += not self._request.constraint.active
                if text:
                    yield text
                if (full := self._exhausted()) is not None:
                    self._stop_reason = full
                    return

    def _next(self, sampler: Sampler) -> int | None:
        """Evaluates what was chosen last, or the prompt, and chooses a token; None where the completion ends.

        Other generations may have run since the last one.
        """
        with self._turn() as mine:
            logits = self._logits() if mine else None
            if logits is None:
                self._stop_reason = StopReason.CANCELLED
                return None
            started = time.perf_counter()
            try:
                return self._choose(sampler, logits)
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
        if not self._written:
            return self._prefill()
        started = time.perf_counter()
        prompt, cancel = self._request.prompt, self._request.cancel
        logits = self._model.cache.extend(replace(prompt, tokens=[*prompt.tokens, *self._written]), cancel)
        self._decode_seconds += time.perf_counter() - started
        self._decode_steps += 1
        return logits

    def _prefill(self) -> Logits | None:
        started = time.perf_counter()
        filled = self._model.cache.prefill(self._request.prompt, self._request.cancel)
        self._cached = filled.cached
        self._prefill_seconds = time.perf_counter() - started
        return filled.logits

    def _choose(self, sampler: Sampler, logits: Logits) -> int | None:
        """The next token, or None where the completion ends."""
        constraint = self._request.constraint
        token = sampler.choose(logits, constraint.allowed() if constraint.active else None)
        if self._model.vocabulary.ends(token):
            self._stop_reason = StopReason.END_TOKEN
            return None
        self._written.append(token)
        return token

    def _exhausted(self) -> StopReason | None:
        if self._new_tokens >= self._request.sampling.max_tokens:
            return StopReason.LIMIT
        if len(self._request.prompt.tokens) + len(self._written) > self._model.context:
            return StopReason.CONTEXT_FULL
        return None
