"""How useful a chunk is at a cursor: pure functions from what is known of it to a score."""

import re
from collections.abc import Sequence, Set

from assistant.context.layout import Candidate

_WORD = re.compile(r"[^\W\d]\w+")

# What the code at the cursor names and imports tells a model what it cannot know. Then what the person just did.
IMPORTED_AND_USED = 4.0
OWN_FILE = 2.5
ONLY_ONE_OF_ITS_NAME = 2.0
IMPORTED = 1.0
ONE_OF_FEW = 0.7
VISITED = 1.5
OPEN = 0.5

# Names that so many files define say nothing.
FEW = 3

# A definition used far from the cursor, or a place worked at long ago, is worth this share of a near one.
_FAR = 0.4
_NAMES_AWAY = 64


def words(text: str) -> frozenset[str]:
    """The identifiers, keywords and words of comments in `text`."""
    return frozenset(_WORD.findall(text))


def definition_score(*, imported: bool, own: bool, files: int, distance: int) -> float:
    """Of a definition that the code around the cursor uses: 0 when it is one of too many.

    Args:
        imported: its file is imported by the cursor's.
        own: it is in the cursor's file.
        files: how many files define the name.
        distance: how many other names are nearer to the cursor.
    """
    if imported:
        score = IMPORTED_AND_USED
    elif own:
        score = OWN_FILE
    elif files == 1:
        score = ONLY_ONE_OF_ITS_NAME
    elif files <= FEW:
        score = ONE_OF_FEW
    else:
        return 0.0
    return score * _faded(distance / _NAMES_AWAY)


def visited_score(age: int, of: int, shared: float) -> float:
    """Of a place worked at.

    Args:
        age: 0 for the newest.
        of: how many there are.
        shared: the part of its words that the cursor's code has.

    Both count: RepoCoder (arXiv 2303.12570) retrieves by words alone, but people work on what belongs together.
    """
    return VISITED * _faded(age / of) * (0.5 + shared)


def open_score(shared: float) -> float:
    """Of what an open document defines, by the part of its words that the cursor's code has."""
    return OPEN * (0.5 + shared)


def shared_words(text: str, near: Set[str]) -> float:
    """The part of the words of `text` that are in `near`."""
    own = words(text)
    return len(own & near) / len(own) if own else 0.0


def ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Best first; those of one score by path and text, so that the same state gives the same prompt."""
    return sorted(candidates, key=lambda each: (-each.score, each.chunk.path, each.chunk.text))


def _faded(away: float) -> float:
    return 1.0 - (1.0 - _FAR) * min(away, 1.0)
