"""One document's tokens in a model's KV cache."""

import sys
from typing import Any

from assistant.engine.native import llama_cpp


class CachedSequence:
    """The tokens of one sequence in a context's memory, kept equal to what is really there.

    Attributes:
        identity: llama.cpp's number of the sequence.
        tokens: those evaluated, in order.
        shifted_from: where the first token is that was evaluated at another position, after other tokens.
    """

    def __init__(self, memory: Any, identity: int) -> None:
        self.identity = identity
        self.tokens: list[int] = []
        self.shifted_from = sys.maxsize
        self._memory = memory

    def common(self, prompt: list[int], *, shifted: bool = False) -> int:
        """How many tokens of `prompt` are at its beginning; with `shifted`, those shifted count too.

        The prompt's last token never does, as the logits that follow it are wanted.
        """
        common = common_length(self.tokens, prompt[:-1])
        return common if shifted else min(common, self.shifted_from)

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
        self.shifted_from = sys.maxsize

    def copy(self, source: "CachedSequence", length: int) -> None:
        """Becomes the first `length` tokens of `source`. Both then share the memory of those tokens."""
        self.clear()
        llama_cpp.llama_memory_seq_cp(self._memory, source.identity, self.identity, 0, length)
        self.tokens, self.shifted_from = source.tokens, source.shifted_from
        self._settle_cut(length)

    def append_shifted(self, source: "CachedSequence", tokens: list[int]) -> None:
        """Takes `tokens` over from `source`, whose memory has them at the positions that follow the tokens here."""
        start, end = len(self.tokens), len(self.tokens) + len(tokens)
        llama_cpp.llama_memory_seq_cp(self._memory, source.identity, self.identity, start, end)
        llama_cpp.llama_memory_seq_rm(self._memory, source.identity, start, end)
        self.shifted_from = min(self.shifted_from, start)
        self.settle(self.tokens + tokens)

    def settle(self, tokens: list[int]) -> None:
        """Takes what is in memory to be the beginning of `tokens`; forgets it where it reaches beyond them.

        After an aborted evaluation memory has a part of the tokens; a recurrent model's is never a shorter one than was
        evaluated.
        """
        if (end := self._end()) > len(tokens):
            self.clear()
            return
        self.tokens = tokens[:end]
        if end <= self.shifted_from:
            self.shifted_from = sys.maxsize

    def _settle_cut(self, length: int) -> None:
        # Sliding windows may have dropped what the next token looks at.
        if llama_cpp.llama_memory_seq_pos_min(self._memory, self.identity) > 0:
            self.clear()
        self.settle(self.tokens[:length])

    def _end(self) -> int:
        return int(llama_cpp.llama_memory_seq_pos_max(self._memory, self.identity)) + 1


def common_length(first: list[int], second: list[int]) -> int:
    """How many tokens two lists have in common at their beginnings."""
    limit = min(len(first), len(second))
    if first[:limit] == second[:limit]:
        return limit
    return next(i for i in range(limit) if first[i] != second[i])
