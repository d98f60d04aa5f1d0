"""What an editor asks, and what it is answered."""

from dataclasses import dataclass, field
from pathlib import Path

from assistant.engine.protocol import Usage
from assistant.filters import Lines
from assistant.window import WindowSize


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
class SuggestionOptions:
    """How to suggest.

    Attributes:
        max_tokens: tokens of new text, at most.
        max_lines: lines of a suggestion of many, at most.
        max_seconds: of decoding; what is whole then is suggested. A person has typed on long before that.
        window: how much of the text around the cursor the model sees.
        patience: seconds that a prompt may take to evaluate before a suggestion that typing asks for. What takes longer
            is evaluated when nothing else is to do, and a shorter prompt answers until then.
    """

    max_tokens: int = 128
    max_lines: int = 16
    max_seconds: float | None = 2.0
    window: WindowSize = field(default_factory=WindowSize)
    patience: float = 1.0


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
