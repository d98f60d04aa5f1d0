"""What is said to a model, and what it answers."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the chat's first paint waits for no engine
    from assistant.engine.protocol import Usage

# An attachment this relevant is what is asked about now: earlier messages go before it.
ASKED_ABOUT = 1.0


class Role(StrEnum):
    """Who speaks, in the words of chat templates."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Message:
    """What one speaker says, in one turn."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """Text that a conversation is about.

    Attributes:
        name: what the model and the user call it, such as a file's path.
        text: as the model reads it, in Markdown.
        relevance: what is less relevant is left out first where not all of it fits the context.
        needed: the conversation makes no sense without it, so it is never left out.
        before: index of the message it is read before.
        may_be_cut: where not all of it fits, its beginning alone still says something.
    """

    name: str
    text: str
    relevance: float = 0.0
    needed: bool = False
    before: int = 0
    may_be_cut: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a model is to answer.

    Attributes:
        system: how it is to answer.
        messages: the user's and the model's in turn, from the user's first to the user's last, which is answered.
        attachments: each read before one of the messages, so that a further message only appends to the prompt.
    """

    system: str
    messages: tuple[Message, ...]
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """How to answer.

    Attributes:
        max_tokens: of an answer; never more than half of the context, so that the prompt has the other half.
        temperature: 0 is greedy, which suits code; in prose small models then repeat themselves.
        seed: for temperatures above 0; the same one gives the same answer.
        top_k: tokens that are drawn from, the likeliest first.
        top_p: probability that the tokens drawn from have together, at least.
        min_p: least probability of a token that is drawn from, as a fraction of the likeliest's.
    """

    max_tokens: int = 1024
    temperature: float = 0.5
    seed: int = 0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer.

    Attributes:
        text: all of it.
        usage: what it cost, and why it ended.
        model: name of the model that wrote it.
        notice: one sentence on what the model was not shown, as it did not fit; None when it has seen all.
    """

    text: str
    usage: "Usage"
    model: str
    notice: str | None
