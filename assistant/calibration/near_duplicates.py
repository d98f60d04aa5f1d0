"""Telling texts that say nearly the same as one that was there before: copies of a file with a few lines changed.

MinHash (Broder, "On the resemblance and containment of documents", 1997) over 5-grams of words, as Lee et al. (arXiv
2107.06499, section 4.2) have it.
"""

import numpy as np
import numpy.typing as npt

from assistant.corpus.ngrams import mixed, ngram_hashes, words

_N = 5
_HASHES = 128
# Share of 5-grams in common from which texts count as copies; The Stack (arXiv 2211.15533, section 3) uses 0.7 as well.
_THRESHOLD = 0.7

_Signature = npt.NDArray[np.uint64]


class SeenTexts:
    """The texts that were there before."""

    def __init__(self) -> None:
        """None was."""
        # Each of the hash functions is a bijection of the first hash, by a number of its own.
        self._functions = mixed(np.arange(1, _HASHES + 1, dtype=np.uint64))
        self._signatures: list[_Signature] = []

    def is_new(self, text: str) -> bool:
        """Whether `text` is not nearly the same as one asked about before; from now on it is there."""
        signature = self._signature(text)
        alike = max((np.count_nonzero(signature == other) for other in self._signatures), default=0)
        if alike >= _THRESHOLD * _HASHES:
            return False
        self._signatures.append(signature)
        return True

    def _signature(self, text: str) -> _Signature:
        sequence = words(text)
        hashes = np.unique(ngram_hashes(sequence, min(_N, max(len(sequence), 1))))
        if not hashes.size:
            return self._functions  # no words at all: all such texts are the same
        return np.array([mixed(hashes ^ function).min() for function in self._functions], dtype=np.uint64)
