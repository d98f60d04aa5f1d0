"""Byte pair encoding with ranked merges, of one word at a time (Sennrich et al., arXiv 1508.07909, section 3.2).

A word is first its characters; as long as two neighbours have a merge, those with the lowest rank, and of equals the
first, become one.
"""

import heapq
from collections.abc import Iterable
from typing import NamedTuple


def byte_characters() -> tuple[str, ...]:
    """How byte-level BPE writes each of the 256 bytes: printable ones as in Latin-1, the others from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return tuple(chr(byte if byte in printable else next(others)) for byte in range(256))


class Encoding(NamedTuple):
    """What became of a word: its tokens' texts, and the result of each merge on the way in the order they happened."""

    tokens: list[str]
    merged: list[str]


class MergeRanks:
    """Merges by rank; of a pair that is listed twice, the first counts."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._ranks: dict[tuple[str, str], int] = {}
        for rank, pair in enumerate(pairs):
            self._ranks.setdefault(pair, rank)

    def encode(self, word: str) -> Encoding:
        """The tokens of a word, given in the characters that stand for its bytes."""
        ranks, texts, merged = self._ranks, list(word), []
        before, after = list(range(-1, len(word) - 1)), list(range(1, len(word) + 1))
        queue = [
            (rank, left, left + 1)
            for left in range(len(word) - 1)
            if (rank := ranks.get((word[left], word[left + 1]))) is not None
        ]
        heapq.heapify(queue)
        while queue:
            rank, left, right = heapq.heappop(queue)
            # Either may have been merged with another neighbour since.
            if after[left] != right or not texts[left] or ranks.get((texts[left], texts[right])) != rank:
                continue
            texts[left] += texts[right]
            texts[right] = ""
            merged.append(texts[left])
            after[left] = after[right]
            if after[left] < len(word):
                before[after[left]] = left
            for first, second in ((before[left], left), (left, after[left])):
                if first >= 0 and second < len(word):
                    found = ranks.get((texts[first], texts[second]))
                    if found is not None:
                        heapq.heappush(queue, (found, first, second))
        return Encoding([text for text in texts if text], merged)
