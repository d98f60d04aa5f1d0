"""Token healing: a prompt that is cut inside a token is taken back to a token's end, and written again by the model.

A model has seldom seen the tokens of half a word or of a bare indentation, so it continues them badly. The end of the
text is taken off, and what the model writes is constrained to begin with it.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

# Longer runs of white space would cost more tokens to write again than the constraint is worth.
MAX_WHITE_SPACE = 256


class HealingVocabulary(Protocol):
    """What healing needs of a vocabulary."""

    def tokenize(self, text: str) -> list[int]:
        """The tokens of plain text."""
        ...

    def piece(self, token: int) -> bytes:
        """A token's bytes."""
        ...

    def is_plain(self, token: int) -> bool:
        """Whether a token is an ordinary piece of text."""
        ...

    def compatible(self, wanted: bytes) -> npt.NDArray[np.int32]:
        """Tokens that `wanted` begins with or that begin with `wanted`."""
        ...


@dataclass(frozen=True, slots=True)
class Healed:
    """Tokens up to a good place to go on from, and the bytes that the model has to begin with there."""

    tokens: list[int]
    wanted: bytes


def heal(text: str, vocabulary: HealingVocabulary) -> Healed:
    """Takes trailing white space and then the last token off the end of `text`."""
    kept = text[: len(text) - removable_white_space(text)]
    white_space = text[len(kept) :].encode("utf-8", errors="replace")
    tokens = vocabulary.tokenize(kept)
    if not tokens or not vocabulary.is_plain(tokens[-1]):
        return Healed(tokens, white_space)
    last = tokens.pop()
    return Healed(tokens, vocabulary.piece(last) + white_space)


def removable_white_space(text: str) -> int:
    """How many white space characters to take off the end: all, or only the indentation when they are very many."""
    everything = len(text) - len(text.rstrip())
    if everything <= MAX_WHITE_SPACE:
        return everything
    indentation = len(text) - (max(text.rfind("\n"), text.rfind("\r")) + 1)
    return indentation if indentation <= MAX_WHITE_SPACE else 0


class Constraint:
    """What is still to be written of the bytes taken off a healed prompt."""

    def __init__(self, wanted: bytes, vocabulary: HealingVocabulary) -> None:
        self._wanted = wanted
        self._vocabulary = vocabulary

    @property
    def active(self) -> bool:
        """Whether the next token is constrained."""
        return bool(self._wanted)

    @property
    def left(self) -> int:
        """Bytes that are still to be written."""
        return len(self._wanted)

    def allowed(self) -> npt.NDArray[np.int32]:
        """Tokens that may come next; only while active."""
        return self._vocabulary.compatible(self._wanted)

    def accept(self, piece: bytes) -> bytes:
        """Takes the next token's bytes; what goes beyond the bytes wanted comes back: it is new text."""
        new = piece[len(self._wanted) :]
        self._wanted = self._wanted[len(piece) :]
        return new
