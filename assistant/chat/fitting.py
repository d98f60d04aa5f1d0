"""Making a conversation fit a model's context: the least relevant is left out, and the user is told."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from assistant.chat.types import ASKED_ABOUT, Attachment, Conversation, Message, Role
from assistant.errors import UsageError
from assistant.window import CountTokens

# What templates write around a message, and around all of them: a system prompt's head, a date.
_AROUND_MESSAGE = 12
_AROUND_ALL = 48
# Less of an attachment than this says nothing.
_LEAST_TOKENS = 64
_FENCE = re.compile("`{3,}")


@dataclass(frozen=True, slots=True)
class Fitted:
    """The messages for a model, and a sentence on what was left out of them; None when nothing was.

    `forgotten` counts the earlier messages that were left out.
    """

    messages: tuple[Message, ...]
    notice: str | None
    forgotten: int = 0


def fit(conversation: Conversation, room: int, count_tokens: CountTokens) -> Fitted:
    """The conversation in no more than `room` tokens, about, as messages that begin with the system's.

    First attachments are left out, from the least relevant on, then the earliest messages with their answers, then the
    attachments that are asked about now. One that may be cut keeps its beginning where there is room for it.

    Raises:
        UsageError: what cannot be left out is too long.
    """
    left = _Left(conversation, room, count_tokens)
    by_relevance = sorted(conversation.attachments, key=lambda each: each.relevance)
    left.drop(each for each in by_relevance if each.relevance < ASKED_ABOUT)
    left.forget()
    left.drop(each for each in by_relevance if each.relevance >= ASKED_ABOUT)
    if left.total > room:
        raise UsageError(
            f"What is asked about takes {left.total} tokens, and the model has room for {room}; "
            "choose less of it, or raise SNED_CONTEXT."
        )
    return Fitted(left.messages(), left.notice(), left.forgotten)


class _Left:
    """What is left of a conversation, and what was taken from it."""

    def __init__(self, conversation: Conversation, room: int, count_tokens: CountTokens) -> None:
        self.forgotten = 0
        self._conversation = conversation
        self._room = room
        self._count = count_tokens
        self._attachments = list(conversation.attachments)
        self._dropped: list[str] = []
        self._cut: list[str] = []
        self.total = _AROUND_ALL + count_tokens(conversation.system) + _AROUND_MESSAGE
        self.total += sum(count_tokens(message.text) + _AROUND_MESSAGE for message in conversation.messages)
        self.total += sum(count_tokens(attachment.text) for attachment in conversation.attachments)

    def drop(self, attachments: Iterable[Attachment]) -> None:
        """Leaves attachments out, or their ends, until the rest fits."""
        for attachment in attachments:
            if self.total <= self._room or attachment.needed:
                continue
            size = self._count(attachment.text)
            place = self._attachments.index(attachment)
            beginning = None
            if attachment.may_be_cut:
                beginning = _beginning(attachment, self._room - self.total + size, self._count)
            if beginning is None:
                del self._attachments[place]
                self._dropped.append(attachment.name)
                self.total -= size
            else:
                self._attachments[place] = beginning
                self._cut.append(attachment.name)
                self.total -= size - self._count(beginning.text)

    def forget(self) -> None:
        """Leaves the earliest messages out, with their answers, until the rest fits."""
        messages = self._conversation.messages
        while self.total > self._room and len(messages) - self.forgotten > 2:
            exchange = messages[self.forgotten : self.forgotten + 2]
            self.forgotten += len(exchange)
            self.total -= sum(self._count(message.text) + _AROUND_MESSAGE for message in exchange)

    def messages(self) -> tuple[Message, ...]:
        """The messages that are left, each after its attachments; those of forgotten messages come first."""
        found = [Message(Role.SYSTEM, self._conversation.system)]
        for index, message in enumerate(self._conversation.messages[self.forgotten :], self.forgotten):
            read = [each.text for each in self._attachments if max(each.before, self.forgotten) == index]
            found.append(replace(message, text="\n\n".join([*read, message.text])))
        return tuple(found)

    def notice(self) -> str | None:
        """What was left out, as a sentence."""
        left_out = [*self._dropped, *(f"the end of {name}" for name in self._cut)]
        if self.forgotten:
            left_out.append(f"{self.forgotten} earlier messages")
        if not left_out:
            return None
        return f"Left out, as the model's context has no room for it: {', '.join(left_out)}."


def _beginning(attachment: Attachment, room: int, count_tokens: CountTokens) -> Attachment | None:
    """The first lines of an attachment that `room` tokens hold, its fence closed; None when that says nothing."""
    if room < _LEAST_TOKENS:
        return None
    lines = attachment.text.split("\n")
    closing = [lines.pop()] if _FENCE.fullmatch(lines[-1]) else []
    low, high = 0, len(lines)
    while low < high:
        middle = (low + high + 1) // 2
        if count_tokens("\n".join([*lines[:middle], *closing])) <= room:
            low = middle
        else:
            high = middle - 1
    opening = next((number for number, line in enumerate(lines) if _FENCE.match(line)), -1)
    if low <= opening + 1:
        return None
    return replace(attachment, text="\n".join([*lines[:low], *closing]))
