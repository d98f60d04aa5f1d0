"""One document's tokens in a model's KV cache."""

from typing import Any

from assistant.engine.native import llama_cpp


class CachedSequence:
    """The tokens of one sequence in a context's memory, kept equal to what is really there.

    Attributes:
        identity: llama.cpp's number of the sequence.
        tokens: those evaluated, in order.
    """

    def __init__(self, memory: Any, identity: int) -> None:
        self.identity = identity
        self.tokens: list[int] = []
        self._memory = memory

    def common(self, prompt: list[int]) -> int:
        """How many tokens of `prompt` are at its beginning; not the last, as the logits that follow it are wanted."""
        limit = min(len(self.tokens), len(prompt) - 1)
        if self.tokens[:limit] == prompt[:limit]:
            return limit
        return next(i for i in range(limit) if self.tokens[i] != prompt[i])

    def truncate(self, length: int) -> None:
        """Forgets the tokens from `length` on; all of them where a model's memory cannot be cut (recurrent ones)."""
        if length < self._end():
            if not llama_cpp.llama_memory_seq_rm(self._memory, self.identity, length, -1):
                self.clear()
            self._settle_cut(length)

    def clear(self) -> None:
        """Forgets all tokens."""
        llama_cpp.llama_memory_seq_rm(self._memory, self.identity, -1, -1)
        self.tokens = []

    def copy(self, source: "CachedSequence", length: int) -> None:
        """Becomes the first `length` tokens of `source`. Both then share the memory of those tokens."""
        self.clear()
        llama_cpp.llama_memory_seq_cp(self._memory, source.identity, self.identity, 0, length)
        self.tokens = source.tokens
        self._settle_cut(length)

    def settle(self, tokens: list[int]) -> None:
        """Takes what is in memory to be the beginning of `tokens`; forgets it where it reaches beyond them.

        After an aborted evaluation memory has a part of the tokens; a recurrent model's is never a shorter one than was
        evaluated.
        """
        if (end := self._end()) > len(tokens):
            self.clear()
            return
        self.tokens = tokens[:end]

    def _settle_cut(self, length: int) -> None:
        # Sliding windows may have dropped what the next token looks at.
        if llama_cpp.llama_memory_seq_pos_min(self._memory, self.identity) > 0:
            self.clear()
        self.settle(self.tokens[:length])

    def _end(self) -> int:
        return int(llama_cpp.llama_memory_seq_pos_max(self._memory, self.identity)) + 1
