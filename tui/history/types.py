"""What the history holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from assistant.chat.types import Attachment, Role


class State(StrEnum):
    """How far a message has come."""

    WHOLE = "whole"
    WRITING = "writing"  # what is found so long after was cut short by the end of its program
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a session has of its own.

    Attributes:
        model: the model's name; None for the one of the project's language.
        system: the system prompt; None for the program's own.
        parameters: sampling parameters by their names in `ChatOptions`, those that are not the default.
    """

    model: str | None = None
    system: str | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Session:
    """A session as lists show it.

    Attributes:
        id: its number.
        project: the folder it was about, as text.
        title: the user's, or the beginning of the first message.
        pinned: whether it stands before the others.
        changed: when, in seconds since 1970.
        messages: how many it has, on all branches.
        settings: what it has of its own.
    """

    id: int
    project: str
    title: str
    pinned: bool
    changed: float
    messages: int
    settings: SessionSettings


@dataclass(frozen=True, slots=True)
class Details:
    """What is known of an answer besides its text.

    Attributes:
        model: which model wrote it.
        notice: what it was not shown, as a sentence.
        prompt_tokens: tokens of its prompt; 0 when that is not known.
        completion_tokens: tokens of the answer.
        rate: tokens decoded a second.
    """

    model: str | None = None
    notice: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message of a branch.

    Attributes:
        id: its number.
        parent: the message before it; None for a first one.
        role: who says it.
        text: what.
        state: how far it has come.
        details: what is known of an answer.
        attachments: what was given to read with it.
        branches: the messages with the same parent, itself among them, oldest first.
    """

    id: int
    parent: int | None
    role: Role
    text: str
    state: State = State.WHOLE
    details: Details = Details()
    attachments: tuple[Attachment, ...] = ()
    branches: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A message that a search found, or a session by its title (then without a message).

    `excerpt` has the words around what was found.
    """

    session: Session
    message: int | None
    excerpt: str
