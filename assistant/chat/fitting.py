"""Making a conversation fit a model's context: the least relevant is left out, and the user is told."""

from dataclasses import dataclass

from assistant.chat.types import Attachment, Conversation, Message, Role
from assistant.errors import UsageError
from assistant.window import CountTokens

# What templates write around a message, and around all of them: a system prompt's head, a date.
_AROUND_MESSAGE = 12
_AROUND_ALL = 48


@dataclass(frozen=True, slots=True)
class Fitted:
    """The messages for a model, and a sentence on what was left out of them; None when nothing was."""

    messages: tuple[Message, ...]
    notice: str | None


def fit(conversation: Conversation, room: int, count_tokens: CountTokens) -> Fitted:
    """The conversation in no more than `room` tokens, about, as messages that begin with the system's.

    First attachments are left out, from the least relevant on, then the earliest messages with their answers.

    Raises:
        UsageError: what cannot be left out is too long.
    """
    attachments, messages = list(conversation.attachments), list(conversation.messages)
    total = _AROUND_ALL + count_tokens(conversation.system) + _AROUND_MESSAGE
    total += sum(count_tokens(message.text) + _AROUND_MESSAGE for message in messages)
    total += sum(count_tokens(attachment.text) for attachment in attachments)
    dropped: list[str] = []
    for attachment in sorted(attachments, key=lambda each: each.relevance):
        if total > room and not attachment.needed:
            attachments.remove(attachment)
            dropped.append(attachment.name)
            total -= count_tokens(attachment.text)
    forgotten = 0
    while total > room and len(messages) > 2:
        exchange, messages = messages[:2], messages[2:]
        forgotten += len(exchange)
        total -= sum(count_tokens(message.text) + _AROUND_MESSAGE for message in exchange)
    if total > room:
        raise UsageError(
            f"What is asked about takes {total} tokens, and the model has room for {room}; "
            "choose less of it, or raise SNED_CONTEXT."
        )
    if forgotten:
        dropped.append(f"{forgotten} earlier messages")
    notice = f"Left out, as the model's context has no room for it: {', '.join(dropped)}." if dropped else None
    return Fitted(_messages(conversation.system, attachments, messages), notice)


def _messages(system: str, attachments: list[Attachment], messages: list[Message]) -> tuple[Message, ...]:
    first, *others = messages
    read = "\n\n".join([*(attachment.text for attachment in attachments), first.text])
    return Message(Role.SYSTEM, system), Message(first.role, read), *others
