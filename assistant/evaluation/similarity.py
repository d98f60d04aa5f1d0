"""How near a text is to what it should be."""

import numpy as np


def edit_similarity(first: str, second: str) -> float:
    """1 - distance / length of the longer one, from 0 to 1, by Levenshtein's distance in characters.

    As CrossCodeEval has it (Ding et al., arXiv 2310.11248, section 3). Two empty texts are the same.
    """
    longest = max(len(first), len(second))
    return 1.0 if longest == 0 else 1.0 - edit_distance(first, second) / longest


def edit_distance(first: str, second: str) -> int:
    """Characters that are put in, taken out or replaced between the texts, at least (Levenshtein, 1966)."""
    if not first or not second:
        return len(first) + len(second)
    codes = np.frombuffer(second.encode("utf-32-le"), dtype=np.uint32)
    positions = np.arange(len(codes) + 1)
    row = positions.copy()
    for number, character in enumerate(first, 1):
        replaced = row[:-1] + (codes != ord(character))
        best = np.concatenate(([number], np.minimum(replaced, row[1:] + 1)))
        # What is put in goes on from the left: the least of what is there and one more for each place.
        row = np.minimum.accumulate(best - positions) + positions
    return int(row[-1])
