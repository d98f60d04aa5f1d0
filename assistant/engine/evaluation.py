"""Evaluating tokens at the end of a sequence."""

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from assistant.engine.batch import Batch, Placed
from assistant.engine.cancellation import Cancellation
from assistant.engine.native import first_error, forget_errors, llama_cpp
from assistant.engine.sampling import Logits
from assistant.engine.sequence import CachedSequence
from assistant.errors import EngineError

_NO_ROOM, _ABORTED = 1, 2  # llama.h: what llama_decode returns besides 0 and errors
_SMALLEST_BATCH = 16


class Evaluator:
    """Evaluates tokens in a context, a batch at a time.

    Attributes:
        evaluated_tokens: how many so far, with all of each batch that was stopped before its end.
    """

    def __init__(self, context: Any, vocabulary_size: int, batch_size: int, make_room: Callable[[], bool]) -> None:
        """`make_room` frees some of the KV cache when it is full, or gives False if it cannot."""
        self._context = context
        self._vocabulary_size = vocabulary_size
        self._batch = Batch(batch_size)
        self._batch_size = batch_size
        self._make_room = make_room
        self._is_cancelled = ctypes.cast(_native_string_test(), llama_cpp.ggml_abort_callback)
        self._listening_to: Cancellation | None = None
        self.evaluated_tokens = 0
        self._positions_moved = False

    def close(self) -> None:
        """Frees the batch; the context is its owner's."""
        self._batch.close()

    @contextmanager
    def stoppable(self, cancel: Cancellation) -> Iterator[None]:
        """While it lasts, setting `cancel` stops evaluation."""
        self._listening_to = cancel
        self._listen(cancel)
        try:
            yield
        finally:
            self._listening_to = None
            self._listen(None)

    def positions_moved(self) -> None:
        """Has to be called when positions in memory were changed: llama.cpp turns the keys in the next evaluation."""
        self._positions_moved = True

    def evaluate(self, sequence: CachedSequence, tokens: list[int], cancel: Cancellation) -> Logits | None:
        """Appends `tokens`; gives the logits after the last, valid until the next call, or None when cancelled.

        What was evaluated until then stays in the sequence.

        Raises:
            EngineError: the model fails.
        """
        start = 0
        for size in self._sizes(len(tokens)):
            part = tokens[start : start + size]
            start += size
            # Asked here too, as backends other than the CPU do not ask.
            if cancel.is_set() or not self._decode(sequence, part, last=start == len(tokens)):
                return None
        logits = llama_cpp.llama_get_logits_ith(self._context, -1)
        return np.ctypeslib.as_array(logits, shape=(self._vocabulary_size,))

    def _decode(self, sequence: CachedSequence, tokens: list[int], *, last: bool) -> bool:
        """Evaluates one batch; False when it was aborted. Only the last token of the `last` batch gives logits."""
        position, end = len(sequence.tokens), len(sequence.tokens) + len(tokens) - 1
        self._batch.fill(
            Placed(token, place, sequence.identity, logits=last and place == end)
            for place, token in enumerate(tokens, position)
        )
        forget_errors()
        if self._positions_moved:  # half turned, they could never be put right
            self._listen(None)
        while (status := llama_cpp.llama_decode(self._context, self._batch.native)) == _NO_ROOM and self._make_room():
            pass
        if self._positions_moved:
            self._positions_moved = False
            self._listen(self._listening_to)
        sequence.settle(sequence.tokens + tokens)
        if status in (0, _ABORTED):
            self.evaluated_tokens += len(tokens)
            return bool(status == 0)
        if status == _NO_ROOM:
            raise EngineError("The KV cache has no room left; open the model with a larger context (SNED_CONTEXT).")
        raise EngineError(f"llama.cpp failed to evaluate {len(tokens)} tokens (status {status}): {first_error()}")

    def _sizes(self, tokens: int) -> Iterator[int]:
        if self._positions_moved and tokens:  # what cannot be stopped is kept short
            yield 1
            tokens -= 1
        yield from batch_sizes(tokens, self._batch_size)

    def _listen(self, cancel: Cancellation | None) -> None:
        """Has llama.cpp ask `cancel` while it evaluates, or nothing."""
        if cancel is None:
            llama_cpp.llama_set_abort_callback(self._context, llama_cpp.ggml_abort_callback(), None)
        else:
            llama_cpp.llama_set_abort_callback(self._context, self._is_cancelled, ctypes.c_void_p(cancel.address))


def batch_sizes(tokens: int, largest: int) -> Iterator[int]:
    """How many tokens to evaluate at a time.

    A long prefill begins with small batches: one that every keystroke cancels then gets further each time.
    """
    size = largest if tokens <= largest else min(_SMALLEST_BATCH, largest)
    while tokens > 0:
        yield min(size, tokens)
        tokens -= size
        size = min(2 * size, largest)


def _native_string_test() -> Any:
    """A native `bool (void *)` that says whether a string is not empty: the C library's `strlen`.

    It answers llama.cpp's "shall I stop?" without Python's lock (see `Cancellation`): the flag's string is 0 or 1 bytes
    long.
    """
    library = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
    return library.strlen
