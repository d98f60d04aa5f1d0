"""Problems of evaluation sets, known by their wording: a model must not be calibrated on what it is judged by.

What ships is hashes alone (`evaluation_ngrams.bin`, made by `scripts/evaluation_ngrams.py`): of problems of HumanEval
(arXiv 2107.03374), their translations in HumanEval-X (arXiv 2303.17568), and their infilling tasks. As in GPT-3's
appendix C (arXiv 2005.14165), texts are compared by their 13-grams of words.
"""

import importlib.resources
from collections import Counter
from collections.abc import Iterable
from functools import cache

import numpy as np

from assistant.corpus.ngrams import Hashes, ngram_hashes, words

_FILE = "evaluation_ngrams.bin"
_N = 13

# One n-gram of two is shipped. A problem has some forty of those; a single one may be shared by chance.
_SAMPLED_ONE_IN = np.uint64(2)
_HITS = 2

# In as many problems it is the frame they stand in, such as imports, or a test's.
_BOILERPLATE = 3
_MOST_NUMBERS = 6


def has_evaluation_problem(text: str) -> bool:
    """Whether a text has the wording of a problem of a known evaluation set, or of its solution."""
    found = np.unique(_sampled(ngram_hashes(words(text), _N)))
    return int(np.isin(found, _known(), assume_unique=True).sum()) >= _HITS


def fingerprint(problems: Iterable[Iterable[str]]) -> bytes:
    """What ships of evaluation problems, each given as its texts: sorted hashes of their n-grams, 8 bytes each.

    N-grams that stand in several problems, and those made of numbers for the most part, are left out.
    """
    counts: Counter[int] = Counter()
    for texts in problems:
        counts.update({value for text in texts for value in _sampled(_telling_ngrams(text)).tolist()})
    kept = sorted(value for value, count in counts.items() if count < _BOILERPLATE)
    return np.array(kept, dtype="<u8").tobytes()


def _telling_ngrams(text: str) -> Hashes:
    sequence = words(text)
    numbers = np.cumsum([0, *(word.isdecimal() for word in sequence)])
    hashes = ngram_hashes(sequence, _N)
    return hashes[numbers[_N:] - numbers[: len(hashes)] <= _MOST_NUMBERS] if len(hashes) else hashes


def _sampled(hashes: Hashes) -> Hashes:
    sampled: Hashes = hashes[hashes % _SAMPLED_ONE_IN == 0]
    return sampled


@cache
def _known() -> Hashes:
    data = importlib.resources.files(__package__).joinpath(_FILE).read_bytes()
    return np.frombuffer(data, dtype="<u8").astype(np.uint64)
