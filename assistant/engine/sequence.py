"""One sequence of tokens in a model's KV cache, and what evaluating more of them gives."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from assistant.engine.cancellation import Cancellation
from assistant.engine.native import first_error, forget_errors, llama_cpp
from assistant.engine.sampling import Logits
from assistant.errors import EngineError

_NO_ROOM, _ABORTED = 1, 2  # llama.h: what llama_decode returns besides 0 and errors
_SEQUENCE = 0


class CachedSequence:
    """The tokens of the one sequence in a context, kept equal to what is really in its memory.

    Attributes:
        tokens: those evaluated, in order.
    """

    def __init__(self, context: Any, vocabulary_size: int, batch_size: int) -> None:
        self.tokens: list[int] = []
        self._context = context
        self._memory = llama_cpp.llama_get_memory(context)
        self._vocabulary_size = vocabulary_size
        self._batch = llama_cpp.llama_batch_init(batch_size, 0, 1)
        self._batch_size = batch_size
        self._is_cancelled = _native_string_test()

    def close(self) -> None:
        """Frees the batch; the context is its owner's."""
        llama_cpp.llama_batch_free(self._batch)

    def keep_common(self, prompt: list[int]) -> int:
        """Drops what is not the beginning of `prompt`; gives how many of its tokens need no evaluation.

        The last token is always evaluated, as the logits that follow it are wanted.
        """
        limit = min(len(self.tokens), len(prompt) - 1)
        common = next((i for i in range(limit) if self.tokens[i] != prompt[i]), limit)
        self._truncate(common)
        return len(self.tokens)

    @contextmanager
    def stoppable(self, cancel: Cancellation) -> Iterator[None]:
        """While it lasts, setting `cancel` stops evaluation."""
        callback = ctypes.cast(self._is_cancelled, llama_cpp.ggml_abort_callback)
        llama_cpp.llama_set_abort_callback(self._context, callback, ctypes.c_void_p(cancel.address))
        try:
            yield
        finally:
            llama_cpp.llama_set_abort_callback(self._context, llama_cpp.ggml_abort_callback(), None)

    def evaluate(self, tokens: list[int], cancel: Cancellation) -> Logits | None:
        """Appends `tokens`; gives the logits after the last, valid until the next call, or None when cancelled.

        Raises:
            EngineError: the model fails.
        """
        for start in range(0, len(tokens), self._batch_size):
            part = tokens[start : start + self._batch_size]
            # Asked here too, as backends other than the CPU do not ask.
            if cancel.is_set() or not self._decode(part, last=start + len(part) == len(tokens)):
                return None
        logits = llama_cpp.llama_get_logits_ith(self._context, -1)
        return np.ctypeslib.as_array(logits, shape=(self._vocabulary_size,))

    def _decode(self, tokens: list[int], *, last: bool) -> bool:
        """Evaluates one batch; False when it was aborted. Only the last token of the `last` batch gives logits."""
        batch, position = self._batch, len(self.tokens)
        batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            batch.token[index] = token
            batch.pos[index] = position + index
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = _SEQUENCE
            batch.logits[index] = False
        batch.logits[len(tokens) - 1] = last
        forget_errors()
        status = llama_cpp.llama_decode(self._context, batch)
        if status == 0:
            self.tokens.extend(tokens)
            return True
        self._truncate(position)
        if status == _ABORTED:
            return False
        if status == _NO_ROOM:
            raise EngineError("The KV cache has no room left; open the model with a larger context (SNED_CONTEXT).")
        raise EngineError(f"llama.cpp failed to evaluate {len(tokens)} tokens (status {status}): {first_error()}")

    def _truncate(self, length: int) -> None:
        """Forgets the tokens from `length` on; all of them where a model's memory cannot be cut (recurrent ones)."""
        end = llama_cpp.llama_memory_seq_pos_max(self._memory, _SEQUENCE) + 1
        if (length < end and not llama_cpp.llama_memory_seq_rm(self._memory, _SEQUENCE, length, -1)) or end < length:
            llama_cpp.llama_memory_clear(self._memory, False)
            length = 0
        del self.tokens[length:]


def _native_string_test() -> Any:
    """A native `bool (void *)` that says whether a string is not empty: the C library's `strlen`.

    It answers llama.cpp's "shall I stop?" without Python's lock (see `Cancellation`): the flag's string is 0 or 1 bytes
    long.
    """
    library = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
    return library.strlen
