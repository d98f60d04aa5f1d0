"""Which names are meant by some of their letters."""

import heapq
import re
from collections.abc import Iterable
from functools import lru_cache

_START, _NEXT, _IN_NAME = 8, 5, 3


def best(query: str, names: Iterable[str], count: int) -> list[str]:
    """The names that have the letters of `query` in order, those that fit best first."""
    if not query:
        return heapq.nsmallest(count, names, key=lambda name: (name.count("/"), name))
    pattern = _pattern(query.lower())
    scored = ((score(query, name), name) for name in names if pattern.search(name.lower()))
    return [name for _, name in heapq.nsmallest(count, scored, key=lambda each: (-each[0], len(each[1]), each[1]))]


def score(query: str, name: str) -> int:
    """How well a name fits: letters that begin words, that follow each other, that are in its last part."""
    wanted, found = query.lower(), name.lower()
    last_part = max(found.rstrip("/").rfind("/"), found.rfind("#")) + 1
    # Letters may be in the directories and in the last part: what begins there, if it is there, fits best.
    begin = last_part if _pattern(wanted).search(found, last_part) else 0
    total, before = 0, -2
    for letter in wanted:
        place = found.find(letter, begin)
        if place < 0:
            return 0
        starts_word = (
            place == 0 or not found[place - 1].isalnum() or (name[place].isupper() and name[place - 1].islower())
        )
        total += 1 + _START * starts_word + _NEXT * (place == before + 1) + _IN_NAME * (place >= last_part)
        before, begin = place, place + 1
    if found[last_part:].startswith(wanted):
        total += 2 * _START
    return total


@lru_cache(maxsize=64)
def _pattern(query: str) -> re.Pattern[str]:
    return re.compile(".*?".join(map(re.escape, query)), re.DOTALL)
