"""Keystrokes that suggestions save, under a stated model of typing.

The user wants a known text and types it a character a keystroke. At the cursor, and again after each word that was
typed, a suggestion is shown. The user takes it if and only if all of it is right, with one keystroke, and does not read
it otherwise, so a wrong suggestion costs nothing but a look. So many suggestions are shown for a text, at most.
"""

from collections.abc import Callable
from dataclasses import dataclass

MOST_SUGGESTIONS = 3


@dataclass(frozen=True, slots=True)
class Typed:
    """Keystrokes that a text took, and the characters that it has."""

    keystrokes: int
    characters: int

    @property
    def saved(self) -> float:
        """The share of keystrokes saved, from 0 to 1."""
        return 1.0 - self.keystrokes / self.characters if self.characters else 0.0


def type_text(wanted: str, suggest: Callable[[str], str], most: int = MOST_SUGGESTIONS) -> Typed:
    """What typing `wanted` takes, where `suggest` gives the suggestion after what has been typed of it."""
    typed = keystrokes = 0
    for _ in range(most):
        if typed >= len(wanted):
            break
        suggestion = suggest(wanted[:typed]).rstrip()
        if suggestion.strip() and wanted.startswith(suggestion, typed):
            typed += len(suggestion)
            keystrokes += 1
        else:
            word = _word_end(wanted, typed)
            keystrokes += word - typed
            typed = word
    return Typed(keystrokes + len(wanted) - typed, len(wanted))


def _word_end(text: str, start: int) -> int:
    """After the next word, and what stands in front of it."""
    end = start
    while end < len(text) and not text[end].isalnum():
        end += 1
    while end < len(text) and text[end].isalnum():
        end += 1
    return end
