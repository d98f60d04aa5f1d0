"""A GGUF file's tokenizer, if it is one that can be trimmed: byte-level BPE."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gguf.constants import TokenType

from export.vocabulary.bpe import MergeRanks, byte_characters
from prune.errors import CheckpointError
from prune.gguf_file import GGUFFile

MODEL = "tokenizer.ggml.model"
TOKENS = "tokenizer.ggml.tokens"
TYPES = "tokenizer.ggml.token_type"
MERGES = "tokenizer.ggml.merges"
TRIMMED_FROM = "sned.vocabulary.base_size"

_BYTE_LEVEL = "gpt2"
_SECOND_DESCRIPTION = "tokenizer.huggingface.json"
# The share of tokens that a conversion may have added in characters of their own without saying that they are special.
_ADDED_AS_PLAIN = 0.01
# llama.cpp takes this id where a file of this kind names no token for these.
_DEFAULTS = ("tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id")
_DEFAULT_ID = 11
# llama.cpp gives some tokens a role for their text alone, whatever their type says: `<PRE>`, `</s>`, `[EOT]`.
_NAME = re.compile(r"[▁_]?(<[^<>\s]+>|\[[A-Z]+\])")

_BYTES = byte_characters()
_BYTE_OF = {character: byte for byte, character in enumerate(_BYTES)}


@dataclass(frozen=True)
class ByteLevelBPE:
    """A byte-level BPE tokenizer.

    Attributes:
        tokens: each token's text, bytes written as GPT-2's vocabulary writes them.
        types: each token's type.
        merges: pairs of texts, the lowest rank first.
        special_ids: ids that the file gives a role, by metadata key.
        digest: sha256 of tokens, types and merges as stored, in hexadecimal.
    """

    tokens: tuple[str, ...]
    types: tuple[int, ...]
    merges: tuple[tuple[str, str], ...]
    special_ids: dict[str, int]
    digest: str

    @cached_property
    def ids(self) -> dict[str, int]:
        """The ids by text."""
        return {text: token for token, text in enumerate(self.tokens)}

    @cached_property
    def ranks(self) -> MergeRanks:
        """The merges, for encoding."""
        return MergeRanks(self.merges)

    def is_plain(self, token: int) -> bool:
        """Whether a token is one that merges make, not one that its author defined whole."""
        return bool(self.types[token] == TokenType.NORMAL)

    def is_ascii(self, token: int) -> bool:
        """Whether a plain token stands for ASCII alone."""
        return self.is_plain(token) and all(_BYTE_OF.get(character, 256) < 128 for character in self.tokens[token])

    def required(self) -> set[int]:
        """The ids that no model does without: bytes, special and user-defined tokens, and what looks like one."""
        fixed = {self.ids[character] for character in _BYTES if character in self.ids}
        fixed |= {
            token
            for token, kind in enumerate(self.types)
            if kind not in (TokenType.NORMAL, TokenType.UNUSED) or _NAME.fullmatch(self.tokens[token])
        }
        fixed -= {token for token in fixed if self.types[token] == TokenType.UNUSED}
        fixed |= {token for token in self.special_ids.values() if token < len(self.tokens)}
        if any(key not in self.special_ids for key in _DEFAULTS):
            fixed |= set(range(min(_DEFAULT_ID + 1, len(self.tokens))))  # so that it stays the same id
        return fixed


def read_byte_level_bpe(file: GGUFFile) -> ByteLevelBPE:
    """The tokenizer of a GGUF file.

    Raises:
        CheckpointError: it is of another kind, was trimmed already, or contradicts itself.
    """
    _refuse_other_kinds(file)
    tokens, types, merges = _strings(file, TOKENS), _list(file, TYPES), _strings(file, MERGES)
    different = set(tokens)
    if len(types) != len(tokens) or len(different) != len(tokens):
        raise CheckpointError(
            f"{file.path} lists {len(tokens)} tokens, {len(different)} of them different, and {len(types)} token "
            "types; fetch the model again."
        )
    _check_characters(file, tokens, types)
    digest = hashlib.sha256(b"".join(file.raw_entry(key) for key in (TOKENS, TYPES, MERGES))).hexdigest()
    return ByteLevelBPE(tuple(tokens), tuple(types), tuple(map(_pair, merges)), dict(special_ids(file)), digest)


def _check_characters(file: GGUFFile, tokens: list[str], types: list[int]) -> None:
    """That plain tokens are written in bytes, each of which is a token too: what is removed is spelled with these."""
    plain = [token for token, kind in zip(tokens, types, strict=True) if kind == TokenType.NORMAL]
    others = [token for token in plain if not _BYTE_OF.keys() >= set(token)]
    if len(others) > _ADDED_AS_PLAIN * len(plain):
        raise CheckpointError(
            f"{_name(file)} says its tokenizer is {_BYTE_LEVEL!r}, but {len(others)} tokens such as {others[0]!r} are "
            "not written in bytes: it is not byte-level BPE. Leave trimming out (--vocabulary whole), or take "
            "another base."
        )
    without = set(_BYTES) - set(tokens)
    if lost := without & set("".join(plain)):
        raise CheckpointError(
            f"{_name(file)} has no token for the byte 0x{_BYTE_OF[min(lost)]:02x} alone, so what is removed might not "
            "be written any more. Leave trimming out (--vocabulary whole), or take another base."
        )


def special_ids(file: GGUFFile) -> Iterator[tuple[str, int]]:
    """The metadata keys that give a token a role, and the ids they name."""
    for key in file.entries:
        if key.startswith("tokenizer.ggml.") and key.endswith("_token_id"):
            token = file.value(key)
            if isinstance(token, int) and token >= 0:
                yield key, token


def _refuse_other_kinds(file: GGUFFile) -> None:
    kind = file.value(MODEL)
    if kind != _BYTE_LEVEL:
        raise CheckpointError(
            f"{_name(file)} has a tokenizer of the kind {kind!r}; only byte-level BPE ({_BYTE_LEVEL!r}) can be "
            "trimmed, as others do not spell a missing token with its parts. Leave trimming out (--vocabulary whole), "
            "or take another base."
        )
    if TRIMMED_FROM in file.entries:
        raise CheckpointError(
            f"{file.path} has a trimmed vocabulary already; leave trimming out (--vocabulary whole), or trim its "
            "base model instead."
        )
    if _SECOND_DESCRIPTION in file.entries:
        raise CheckpointError(
            f"{file.path} describes its tokenizer a second time in {_SECOND_DESCRIPTION!r}, which would not be true of "
            "a trimmed one; take a GGUF file that was converted without it, or leave trimming out (--vocabulary whole)."
        )


def _name(file: GGUFFile) -> str:
    return f"{file.path} ({file.value('general.name', 'unnamed')})"


def _list(file: GGUFFile, key: str) -> list[Any]:
    items = file.value(key)
    if not isinstance(items, list):
        raise CheckpointError(f"{file.path} has no list in {key!r}; fetch the model again.")
    return items


def _strings(file: GGUFFile, key: str) -> list[str]:
    items = _list(file, key)
    if not all(isinstance(item, str) for item in items):
        raise CheckpointError(f"{file.path} has other things than text in {key!r}; fetch the model again.")
    return items


def _pair(merge: str) -> tuple[str, str]:
    """The two texts of a merge; they are separated by a space, which no text of byte-level BPE has."""
    first, _, second = merge.partition(" ")
    return first, second
