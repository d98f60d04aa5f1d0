"""A model's vocabulary: text to tokens, tokens to bytes, and which tokens begin with which bytes."""

import ctypes
from array import array
from bisect import bisect_left
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from assistant.engine.native import llama_cpp
from assistant.engine.protocol import TokenRole

# llama.h: enum llama_token_attr
_UNKNOWN, _UNUSED, _NORMAL, _CONTROL, _BYTE = 1, 2, 4, 8, 32
_PIECE_BYTES = 64

# Lines around the cursor and chunks of other files are counted for every prompt, and are mostly those of the last one.
_REMEMBERED_TEXTS, _REMEMBERED_CHARACTERS = 1024, 1500

TokenIds = npt.NDArray[np.int32]

_ROLES = (
    (TokenRole.FIM_PREFIX, llama_cpp.llama_vocab_fim_pre),
    (TokenRole.FIM_SUFFIX, llama_cpp.llama_vocab_fim_suf),
    (TokenRole.FIM_MIDDLE, llama_cpp.llama_vocab_fim_mid),
    (TokenRole.FIM_PAD, llama_cpp.llama_vocab_fim_pad),
    (TokenRole.REPOSITORY, llama_cpp.llama_vocab_fim_rep),
    (TokenRole.FILE_SEPARATOR, llama_cpp.llama_vocab_fim_sep),
)


class Vocabulary:
    """The vocabulary of a loaded model; valid as long as the model is."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self.size: int = llama_cpp.llama_vocab_n_tokens(handle)
        self.first: tuple[int, ...] = (
            (llama_cpp.llama_vocab_bos(handle),) if llama_cpp.llama_vocab_get_add_bos(handle) else ()
        )
        self.begin_of_sequence: int = llama_cpp.llama_vocab_bos(handle)
        self.end_of_sequence: int = llama_cpp.llama_vocab_eos(handle)
        self._remembered = lru_cache(_REMEMBERED_TEXTS)(self._plain)

    def tokenize(self, text: str) -> list[int]:
        """The tokens of plain text: what spells a special token stays text, and nothing is added around."""
        return list(self._remembered(text) if len(text) <= _REMEMBERED_CHARACTERS else self._plain(text))

    def count(self, text: str) -> int:
        """How many tokens plain text has."""
        return len(self._remembered(text) if len(text) <= _REMEMBERED_CHARACTERS else self._plain(text))

    def special(self, name: str) -> int | None:
        """The special token of this name, or None."""
        raw = name.encode("utf-8")
        tokens = self._tokenize(raw, parse_special=True)
        # A vocabulary may put a space before text it does not know; the token that is a name comes alone.
        if len(tokens) != 1 or self.is_plain(tokens[0]):
            return None
        return tokens[0] if llama_cpp.llama_vocab_get_text(self._handle, tokens[0]) == raw else None

    def declared(self) -> dict[TokenRole, str]:
        """Names of the special tokens that the model file, or llama.cpp's reading of it, gives a role."""
        tokens = {role: of(self._handle) for role, of in _ROLES}
        return {role: self.name(token) for role, token in tokens.items() if token >= 0}

    def name(self, token: int) -> str:
        """What a token is called in the vocabulary; empty for none, as llama.cpp gives where a role has no token."""
        if token < 0:
            return ""
        name: bytes = llama_cpp.llama_vocab_get_text(self._handle, token)
        return name.decode("utf-8", errors="replace")

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for; none for special tokens."""
        buffer = ctypes.create_string_buffer(_PIECE_BYTES)
        size = llama_cpp.llama_token_to_piece(self._handle, token, buffer, len(buffer), 0, False)
        if size < 0:
            buffer = ctypes.create_string_buffer(-size)
            size = llama_cpp.llama_token_to_piece(self._handle, token, buffer, len(buffer), 0, False)
        return buffer.raw[:size]

    def ends(self, token: int) -> bool:
        """Whether a completion ends at this token: an end of text or turn, or any token that is not text."""
        if llama_cpp.llama_vocab_is_eog(self._handle, token):
            return True
        attributes = llama_cpp.llama_vocab_get_attr(self._handle, token)
        return bool(attributes & (_CONTROL | _UNKNOWN | _UNUSED)) or token in self._fim_tokens

    def is_plain(self, token: int) -> bool:
        """Whether a token is an ordinary piece of text: not special, and not one that its author defined whole."""
        return bool(llama_cpp.llama_vocab_get_attr(self._handle, token) & (_NORMAL | _BYTE))

    def compatible(self, wanted: bytes) -> TokenIds:
        """Plain tokens that `wanted` begins with, or that begin with `wanted`: where a constrained text may go on."""
        pieces, ids = self._table
        start, end = bisect_left(pieces, wanted), bisect_left(pieces, _successor(wanted))
        found = [ids[start:end]]
        for length in range(1, len(wanted)):
            shorter = wanted[:length]
            first = bisect_left(pieces, shorter)
            last = first
            while last < len(pieces) and pieces[last] == shorter:
                last += 1
            found.append(ids[first:last])
        return np.concatenate(found)

    def _plain(self, text: str) -> "array[int]":
        return self._tokenize(text.encode("utf-8", errors="replace"), parse_special=False)

    def _tokenize(self, raw: bytes, *, parse_special: bool) -> "array[int]":
        capacity = len(raw) + 8
        while True:
            tokens = (llama_cpp.llama_token * capacity)()
            count = llama_cpp.llama_tokenize(self._handle, raw, len(raw), tokens, capacity, False, parse_special)
            if count >= 0:
                return array("i", tokens[:count])
            capacity = -count

    @cached_property
    def _fim_tokens(self) -> frozenset[int]:
        return frozenset(token for _, of in _ROLES if (token := of(self._handle)) >= 0)

    @cached_property
    def _table(self) -> tuple[list[bytes], TokenIds]:
        """Every plain token's bytes in order, and their ids: 0.3 s for 150,000 tokens, so made when first needed."""
        handle, buffer = self._handle, ctypes.create_string_buffer(_PIECE_BYTES)
        to_piece, attributes_of = llama_cpp.llama_token_to_piece, llama_cpp.llama_vocab_get_attr
        tokens = [token for token in range(self.size) if attributes_of(handle, token) & (_NORMAL | _BYTE)]
        pieces = [
            buffer.raw[:size]
            if (size := to_piece(handle, token, buffer, _PIECE_BYTES, 0, False)) >= 0
            else self.piece(token)
            for token in tokens
        ]
        order = [index for index in sorted(range(len(pieces)), key=pieces.__getitem__) if pieces[index]]
        return [pieces[index] for index in order], np.array(tokens, dtype=np.int32)[order]


def _successor(prefix: bytes) -> bytes:
    """The smallest bytes greater than everything that begins with `prefix` (which is not empty)."""
    stripped = prefix.rstrip(b"\xff")
    if not stripped:  # nothing but 0xff: longer than any token's bytes
        return prefix + b"\xff" * _PIECE_BYTES * 4
    return stripped[:-1] + bytes([stripped[-1] + 1])
