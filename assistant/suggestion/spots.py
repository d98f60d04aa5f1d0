"""Where in its documents a person is at work: each of a few places keeps its own part of the KV cache.

Who goes from a function to where it is called and back again has neither evaluated anew. What is near is the same
place: its prompt is made of what was evaluated there before.
"""

from collections import OrderedDict

# Of a document; together they have about the tokens that the cache holds.
_SPOTS = 3
# From here on the windows of two prompts share little.
FAR_CHARACTERS = 2_000


class Spots:
    """The last places in each document. For one thread."""

    def __init__(self) -> None:
        """None yet."""
        self._offsets: dict[str, OrderedDict[int, int]] = {}  # by document and number, the least recently used first

    def sequence(self, uri: str, offset: int) -> str:
        """The name of the engine's sequence for a place: that of the nearest one, or the one not used for longest."""
        offsets = self._offsets.setdefault(uri, OrderedDict())
        nearest = min(offsets, key=lambda number: abs(offsets[number] - offset), default=None)
        if nearest is None or abs(offsets[nearest] - offset) > FAR_CHARACTERS:
            nearest = len(offsets) if len(offsets) < _SPOTS else next(iter(offsets))
        offsets[nearest] = offset
        offsets.move_to_end(nearest)
        return sequence_names(uri)[nearest]


def near_name(uri: str) -> str:
    """The sequence of a document's short prompts, of the text next to the cursor."""
    return f"{uri} near"


def sequence_names(uri: str) -> tuple[str, ...]:
    """The sequences that a document's places may have."""
    return (uri, *(f"{uri} {number}" for number in range(1, _SPOTS)))
