"""Hashes of n-grams of words: what texts are compared by, where only their wording counts."""

import hashlib
import re
from functools import lru_cache

import numpy as np
import numpy.typing as npt

# Parts of identifiers are words of their own: `max_value` and `maxValue`'s punctuation and case say nothing.
_WORD = re.compile(r"[^\W_]+")

_FACTOR = np.uint64(0x9E3779B97F4A7C15)

Hashes = npt.NDArray[np.uint64]


def words(text: str) -> list[str]:
    """The words and numbers of a text, in lower case."""
    return _WORD.findall(text.lower())


def ngram_hashes(sequence: list[str], n: int) -> Hashes:
    """A 64-bit hash of every `n` words that follow each other, in order; none where there are fewer.

    The same on every machine and in every run.
    """
    count = len(sequence) - n + 1
    if count < 1:
        return np.empty(0, dtype=np.uint64)
    hashes = np.fromiter(map(_word_hash, sequence), dtype=np.uint64, count=len(sequence))
    total = np.zeros(count, dtype=np.uint64)
    for offset in range(n):
        total = total * _FACTOR + hashes[offset : offset + count]
    return mixed(total)


def mixed(values: Hashes) -> Hashes:
    """A bijection of 64-bit numbers in which each bit depends on all (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@lru_cache(1 << 16)
def _word_hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "little")
