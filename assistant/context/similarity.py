"""How alike two stretches of code are, by the lines they have in common."""

import re

_WORD = re.compile(r"\w")

Lines = frozenset[str]

# llama.vim's limits: over 0.5 like the cursor's surroundings says the same again, over 0.9 like another chunk as well.
LIKE_SURROUNDINGS = 0.5
LIKE_ANOTHER = 0.9


def line_set(text: str) -> Lines:
    """The different lines of `text` without indentation; those of punctuation alone are in every file and left out.

    A brace that opens a body does not count: signatures are compared with the lines they come from.
    """
    return frozenset(line.strip().rstrip("{ ") for line in text.split("\n") if _WORD.search(line))


def similarity(one: Lines, other: Lines) -> float:
    """Lines in both as a share of lines in either (Jaccard's index): 1 for the same, 0 when nothing is shared."""
    return len(one & other) / len(one | other) if one or other else 1.0


def contained(part: Lines, whole: Lines) -> float:
    """The share of lines of `part` that `whole` has as well; 1 for an empty part, which adds nothing to anything."""
    return len(part & whole) / len(part) if part else 1.0
