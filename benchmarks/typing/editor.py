"""An editor as far as it matters here: a text, a cursor, what is suggested there, and when it came."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

# Less than this is not worth the key that takes it.
_WORTH_TAKING = 3


@dataclass
class Measures:
    """What one assistant did for the person at the keyboard.

    Attributes:
        delays: seconds from a stroke to the suggestion for the text after it, where one came before the next stroke.
        strokes: keys, those that took a suggestion among them.
        asked: strokes after which the plugin asks the server, or would if it did not know the answer.
        taken: characters that came from suggestions.
        characters: all that were written.
        looks: pauses in which the person looked for a suggestion.
        seen: those in which one was there.
        evaluated: tokens that the model evaluated, once the person began to type.
        opening: those before that.
        cpu: seconds.
    """

    delays: list[float] = field(default_factory=list)
    strokes: int = 0
    asked: int = 0
    taken: int = 0
    characters: int = 0
    looks: int = 0
    seen: int = 0
    evaluated: float = 0.0
    opening: float = 0.0
    cpu: float = 0.0


@dataclass(frozen=True)
class Change:
    """What a stroke did: `removed` characters of the text `before`, from `begin`, made place for `inserted`."""

    before: str
    begin: int
    removed: int
    inserted: str


class Editor:
    """A text that is being edited.

    Attributes:
        text: all of it.
        cursor: an offset in it.
        strokes: how many there were: an answer is for the text after so many.
        hint: what is suggested at the cursor; None if nothing is.
    """

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        self.cursor = 0
        self.strokes = 0
        self.measures = Measures()
        self.hint: str | None = None
        self._struck_at = 0.0

    def strike(self, removed: int, inserted: str) -> Change:
        """Replaces characters before the cursor."""
        change = Change(self.text, self.cursor - removed, removed, inserted)
        self.text = self.text[: change.begin] + inserted + self.text[self.cursor :]
        self.cursor = change.begin + len(inserted)
        self.strokes += 1
        self.hint, self._struck_at = None, time.perf_counter()
        self.measures.strokes += 1
        self.measures.characters += len(inserted)
        return change

    def show(self, hint: str) -> None:
        """Shows a suggestion at the cursor."""
        if self.hint is None:
            self.measures.delays.append(time.perf_counter() - self._struck_at)
        self.hint = hint

    def wanted(self, text: str) -> str:
        """What the person, who means to write `text`, takes of a suggestion: all, a line, a word or nothing."""
        hint = self.hint or ""
        word = hint[: len(hint) - len(hint.lstrip())] + (hint.split(maxsplit=1) or [""])[0]
        for part in (hint, hint.partition("\n")[0], word):
            if len(part.strip()) >= _WORTH_TAKING and text.startswith(part):
                return part
        return ""


class Assistant(Protocol):
    """A server with an editor's plugin."""

    name: str

    async def start(self, project: Path, editor: Editor) -> psutil.Process:
        """Opens the editor's file in a project; gives the server's process, once it answers."""
        ...

    def struck(self, change: Change) -> None:
        """Hears of a stroke, and sees to it that the editor shows a suggestion."""
        ...

    async def answered(self) -> None:
        """Waits until everything that was asked is answered."""
        ...

    async def evaluated_tokens(self) -> float:
        """Tokens that the model evaluated since the start."""
        ...

    async def stop(self) -> None:
        """Ends the server."""
        ...
