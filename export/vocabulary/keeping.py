"""Which tokens are kept.

A set is closed when every kept token is still reached: the tokens that the merges of its text go through are kept too.
Then text whose tokens were all kept is encoded as before. Proof: within the span of one token of a word, the merges of
the word are those of the token's text alone and in the same order (the lowest rank of all neighbours is the lowest
within its span, and none crosses the span's ends). So every merge of the word has a kept result, and is there still; as
the merges that are left are some of those that were there, the lowest of the old ones is the lowest of the new ones at
each step, and where none of the old ones applied none of the new ones does.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from export.vocabulary.tokenizer import ByteLevelBPE, read_byte_level_bpe
from prune.errors import UsageError
from prune.gguf_file import GGUFFile

TokenIds = npt.NDArray[np.int32]
Counts = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class TrimOptions:
    """How much is kept.

    Attributes:
        size: the most tokens.
        coverage: the least share of the corpus's tokens, 0 to 1.
        fill: whether to go on to `size` with ASCII tokens that the corpus did not use, in the base's order: the first
            merges are those that its own corpus used most.
    """

    size: int = 50_176
    coverage: float = 0.999
    fill: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.coverage <= 1:
            raise UsageError(f"a coverage of {self.coverage} is no share; give 0 to 1.")
        if self.size < 1:
            raise UsageError(f"a vocabulary of {self.size} tokens is none; give its size as 256 or more.")


@dataclass(frozen=True, eq=False)
class KeptVocabulary:
    """What is kept of a tokenizer.

    Attributes:
        base_size: how many tokens the base has.
        base_digest: the base tokenizer's `digest`.
        ids: the base's ids of what is kept, ascending; a token's new id is its place.
        merges: the ranks of the base's merges that are kept, ascending.
        coverage: the share of the corpus's tokens that are kept.
    """

    base_size: int
    base_digest: str
    ids: TokenIds
    merges: TokenIds
    coverage: float

    @property
    def digest(self) -> str:
        """sha256 of the ids as little-endian 32-bit integers, in hexadecimal."""
        return hashlib.sha256(self.ids.astype("<i4").tobytes()).hexdigest()

    @cached_property
    def new_ids(self) -> TokenIds:
        """For each of the base's ids the new one, -1 where it is not kept; shape (base_size,)."""
        mapping = np.full(self.base_size, -1, dtype=np.int32)
        mapping[self.ids] = np.arange(len(self.ids), dtype=np.int32)
        return mapping


def trim_vocabulary(source: Path, counts: Counts, options: TrimOptions | None = None) -> KeptVocabulary:
    """What to keep of the tokenizer of the GGUF file at `source`; as `choose`.

    Raises:
        CheckpointError: the file cannot be read, or its tokenizer is not byte-level BPE.
        UsageError: the options cannot be met.
    """
    with GGUFFile(source) as file:
        return choose(read_byte_level_bpe(file), counts, options)


def choose(tokenizer: ByteLevelBPE, counts: Counts, options: TrimOptions | None = None) -> KeptVocabulary:
    """A closed set of tokens.

    Bytes, special and user-defined tokens are always in it. Then come the corpus's tokens by descending count until the
    coverage is reached, all ASCII tokens that it used, all others that it used, and what fills the size, as long as
    there is room; each with the tokens that its merges go through. Equal arguments give an equal set.

    Args:
        tokenizer: the base's.
        counts: how often the corpus has each token, by id; ids beyond its end were not seen.
        options: how much is kept.

    Raises:
        UsageError: the size is too small for the coverage, or nothing was counted.
        ValueError: `counts` is not a vector of counts for this tokenizer.
    """
    options = options or TrimOptions()
    seen = _padded(counts, len(tokenizer.tokens))
    total = int(seen.sum())
    if not total:
        raise UsageError("The corpus has no tokens, so none can be chosen by use; count one with code in it.")
    kept = _Closed(tokenizer)
    kept.require(tokenizer.required())
    by_count = np.argsort(-seen, kind="stable")[: np.count_nonzero(seen)].tolist()
    reached = np.cumsum(seen[by_count])
    enough = int(np.searchsorted(reached, options.coverage * total)) + 1
    ascii_tokens = [token for token in range(len(tokenizer.tokens)) if tokenizer.is_ascii(token)]
    is_ascii = set(ascii_tokens)
    kept.fill(by_count[:enough], options.size)
    coverage = int(seen[sorted(kept.ids)].sum()) / total
    if len(kept.ids) > options.size or coverage < options.coverage:
        raise UsageError(
            f"{options.size:,} tokens cannot hold {options.coverage:.3%} of the corpus: with bytes, special tokens and "
            f"what the merges go through they hold {coverage:.3%}; allow more tokens, or a lower coverage."
        )
    kept.fill((token for token in by_count if token in is_ascii), options.size)
    kept.fill(by_count, options.size)
    if options.fill:
        kept.fill(ascii_tokens, options.size)
    ids = np.array(sorted(kept.ids), dtype=np.int32)
    return KeptVocabulary(
        base_size=len(tokenizer.tokens),
        base_digest=tokenizer.digest,
        ids=ids,
        merges=np.array(kept.merges(), dtype=np.int32),
        coverage=int(seen[ids].sum()) / total,
    )


def _padded(counts: Counts, size: int) -> npt.NDArray[np.int64]:
    if counts.ndim != 1 or len(counts) > size or not np.issubdtype(counts.dtype, np.integer) or (counts < 0).any():
        raise ValueError(f"counts are a vector of at most {size} integers from 0, not {counts.dtype} of {counts.shape}")
    padded = np.zeros(size, dtype=np.int64)
    padded[: len(counts)] = counts
    return padded


class _Closed:
    """A set of tokens that stays closed as it grows."""

    def __init__(self, tokenizer: ByteLevelBPE) -> None:
        self._tokenizer = tokenizer
        self.ids: set[int] = set()
        self._texts: set[str] = set()
        # A merge into what is no token is rare, and blocks others where it applies: it has to go on doing so.
        for first, second in tokenizer.merges:
            if first + second not in tokenizer.ids:
                self._add(self._needed(first + second))

    def require(self, tokens: Iterable[int]) -> None:
        """Takes tokens in, whatever the size."""
        for token in sorted(tokens):
            self._add(self._needed(self._tokenizer.tokens[token]))

    def fill(self, tokens: Iterable[int], size: int) -> None:
        """Takes in those of `tokens` for which, with what they need, there is room."""
        for token in tokens:
            if len(self.ids) >= size:
                return
            if token in self.ids:
                continue
            needed = self._needed(self._tokenizer.tokens[token])
            if len(self.ids) + len(self._tokens(needed) - self.ids) <= size:
                self._add(needed)

    def merges(self) -> list[int]:
        """The ranks of the merges whose parts and result are kept."""
        return [
            rank
            for rank, (first, second) in enumerate(self._tokenizer.merges)
            if first + second in self._texts and self._made(first) and self._made(second)
        ]

    def _made(self, text: str) -> bool:
        return len(text) == 1 or text in self._texts

    def _needed(self, text: str) -> set[str]:
        """A text, and all that its merges go through; the text alone if they do not lead to it, as special tokens'."""
        encoding = self._tokenizer.ranks.encode(text)
        return {text, *encoding.merged} if len(encoding.tokens) == 1 else {text}

    def _tokens(self, texts: Iterable[str]) -> set[int]:
        return {token for text in texts if (token := self._tokenizer.ids.get(text)) is not None}

    def _add(self, texts: set[str]) -> None:
        self._texts |= texts
        self.ids |= self._tokens(texts)
