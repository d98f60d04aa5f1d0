"""What an editor asks, and what it is answered."""

from dataclasses import dataclass
from pathlib import Path

from assistant.engine.protocol import Usage
from assistant.filters import Lines


@dataclass(frozen=True, slots=True)
class Buffer:
    """A document as an editor holds it, at one moment.

    Attributes:
        uri: the document's name, stable while it is open.
        path: its file, if it has one.
        language_id: what the editor says it is written in, in the protocol's words (`python`, `cpp`, …).
        version: grows with every change.
        text: all of it.
    """

    uri: str
    path: Path | None
    language_id: str
    version: int
    text: str


@dataclass(frozen=True, slots=True)
class SuggestionRequest:
    """A suggestion is wanted at a place.

    Attributes:
        buffer: the document.
        offset: the cursor, in code points from the beginning of the text.
        automatic: asked for by typing, not by a key: then a weak suggestion is worse than none.
        lines: one line, many, or what the syntax around the cursor calls for.
        other_than: suggestions that were shown here: something else is wanted.
    """

    buffer: Buffer
    offset: int
    automatic: bool = True
    lines: Lines = Lines.AUTO
    other_than: tuple[str, ...] = ()

    @property
    def before(self) -> str:
        """The text before the cursor."""
        return self.buffer.text[: self.offset]

    @property
    def after(self) -> str:
        """The text after the cursor."""
        return self.buffer.text[self.offset :]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Text to insert at the cursor.

    Attributes:
        text: with the line ends of the document.
        cached: came from the suggestion cache, without the model.
        usage: what the model did for it; None when cached.
        seconds: from the request to here.
    """

    text: str
    cached: bool
    usage: Usage | None
    seconds: float


@dataclass(frozen=True, slots=True)
class NoSuggestion:
    """Nothing to insert; `reason` says why in one sentence a user may read."""

    reason: str
