"""Many texts written at once: a step evaluates the next token of each.

A step's time is mostly that of reading the weights, which all of its tokens share. A text that ends is replaced by the
next one at once, between two steps (Yu et al., "Orca", OSDI 2022, section 3.1: iteration-level scheduling).
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from assistant.engine.batch import Batch, Placed
from assistant.engine.cancellation import Cancellation
from assistant.engine.drafting import Draft
from assistant.engine.generation import LoadedModel
from assistant.engine.healing import Constraint
from assistant.engine.native import first_error, forget_errors, llama_cpp
from assistant.engine.protocol import StopReason, Usage, Wanted, Written
from assistant.engine.sampling import Logits
from assistant.errors import EngineError

# More at once are hardly faster a token, and take memory.
SEQUENCES = 16
# In steps of a multiple of so many tokens, llama.cpp rounds the sums of each in the same way, wherever it stands.
_TOGETHER = 8


def streams_for(texts: int, at_once: int) -> int:
    """How many sequences a context needs to write so many texts, at most so many at once."""
    return -(-min(texts, at_once) // _TOGETHER) * _TOGETHER


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text that is wanted, the tokens of its prompt, and what it has to begin with."""

    wanted: Wanted
    prompt: list[int]
    constraint: Constraint


@dataclass(slots=True)
class _Row:
    """A text that is being written."""

    number: int
    encoded: Encoded
    draft: Draft
    text: str = ""
    ended: StopReason | None = None
    decode_steps: int = 0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0

    def take(self, logits: Logits) -> None:
        """Chooses the next token."""
        piece = self.draft.choose(logits)
        self.text += piece
        self.ended = self.draft.ended
        if piece and self.encoded.wanted.enough(self.text):
            self.ended = StopReason.CALLER

    def next_token(self, sequence: int) -> Placed:
        """The token chosen last, which is to be evaluated."""
        tokens = self.draft.tokens
        return Placed(tokens[-1], len(self.encoded.prompt) + len(tokens) - 1, sequence, logits=True)

    def written(self) -> Written:
        """The text, at its end."""
        assert self.ended is not None
        usage = Usage(
            len(self.encoded.prompt),
            0,
            len(self.draft.tokens),
            self.decode_steps,
            self.prefill_seconds,
            self.decode_seconds,
            self.ended,
        )
        return Written(self.number, self.text, usage)


class SideBySide:
    """Texts that are written at once, in a context of their own, which is freed when it is closed.

    What a text becomes does not depend on the others, to the last digit: prompts are evaluated each by itself, texts
    are in streams of the KV cache that do not see each other, and a step is filled up to so many tokens that all are
    rounded alike.
    """

    def __init__(self, model: LoadedModel, context: Any, texts: Sequence[Encoded]) -> None:
        """`context` has as many streams as `streams_for` says."""
        self._model = model
        self._context = context
        self._memory = llama_cpp.llama_get_memory(context)
        self._capacity: int = llama_cpp.llama_n_batch(context)
        self._batch = Batch(self._capacity)
        self._waiting = iter(enumerate(texts))
        self._rows: list[_Row] = []  # the place of each is its sequence
        self._closed = False

    def write(self, cancel: Cancellation) -> Iterator[Written]:
        """Gives each text as it ends; cancelled, it stops."""
        for place, following in zip(range(llama_cpp.llama_n_seq_max(self._context)), self._waiting, strict=False):
            if not self._begin(place, *following, cancel):
                return
        while self._rows:
            for place in reversed(range(len(self._rows))):
                while place < len(self._rows) and self._rows[place].ended is not None:
                    yield self._rows[place].written()
                    if not self._replace(place, cancel):
                        return
            if self._rows and not self._step(cancel):
                return

    def close(self) -> None:
        """Frees the context; once is enough."""
        if not self._closed:
            self._closed = True
            for row in self._rows:
                row.draft.close()
            self._batch.close()
            llama_cpp.llama_free(self._context)

    def _begin(self, place: int, number: int, encoded: Encoded, cancel: Cancellation) -> bool:
        """Evaluates a prompt in an empty place, and chooses its text's first token; False when cancelled."""
        prompt, room = encoded.prompt, self._model.context - len(encoded.prompt)
        row = _Row(number, encoded, Draft(self._model.vocabulary, encoded.constraint, encoded.wanted.sampling, room))
        self._rows[place : place + 1] = [row]
        started = time.perf_counter()
        for start in range(0, len(prompt), self._capacity):
            part = list(enumerate(prompt[start : start + self._capacity], start))
            last = len(prompt) - 1
            if not self._evaluate([Placed(token, at, place, logits=at == last) for at, token in part], cancel):
                return False
        row.prefill_seconds = time.perf_counter() - started
        self._model.evaluated_tokens += len(prompt)
        row.take(self._logits(-1))
        return True

    def _step(self, cancel: Cancellation) -> bool:
        """Evaluates a token of every text and chooses the next one; False when cancelled."""
        started, rows = time.perf_counter(), len(self._rows)
        tokens = [row.next_token(place) for place, row in enumerate(self._rows)]
        padding = [Placed(tokens[0].token, 0, place, logits=True) for place in range(rows, streams_for(rows, rows))]
        if not self._evaluate([*tokens, *padding], cancel):
            return False
        for each in padding:
            llama_cpp.llama_memory_seq_rm(self._memory, each.sequence, -1, -1)
        for place, row in enumerate(self._rows):
            row.take(self._logits(place))
        share = (time.perf_counter() - started) / len(self._rows)
        for row in self._rows:
            row.decode_steps += 1
            self._model.evaluated_tokens += 1
            row.decode_seconds += share
        return True

    def _replace(self, place: int, cancel: Cancellation) -> bool:
        """Has the next text begin in the place of one that ended, or the last one go on there; False when cancelled.

        Tokens that are evaluated at once have to be of sequences that follow each other.
        """
        following = next(self._waiting, None)
        with self._held():
            self._rows[place].draft.close()
            llama_cpp.llama_memory_seq_rm(self._memory, place, -1, -1)
            if following is None:
                last = self._rows.pop()
                if place < len(self._rows):
                    self._rows[place] = last
                    llama_cpp.llama_memory_seq_cp(self._memory, len(self._rows), place, -1, -1)
                    llama_cpp.llama_memory_seq_rm(self._memory, len(self._rows), -1, -1)
        return following is None or self._begin(place, *following, cancel)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Holds the model."""
        with self._model.in_use:
            if self._closed:
                raise EngineError("The model has been closed; open it again.")
            yield

    def _evaluate(self, tokens: list[Placed], cancel: Cancellation) -> bool:
        if cancel.is_set():
            return False
        with self._held():
            self._batch.fill(tokens)
            forget_errors()
            if status := llama_cpp.llama_decode(self._context, self._batch.native):
                raise EngineError(
                    f"llama.cpp failed to evaluate {len(tokens)} tokens (status {status}): {first_error()}"
                )
        return True

    def _logits(self, index: int) -> Logits:
        """Those after the token of this number in the last batch."""
        logits = llama_cpp.llama_get_logits_ith(self._context, index)
        return np.ctypeslib.as_array(logits, shape=(self._model.vocabulary.size,))
