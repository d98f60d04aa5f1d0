"""What is left out of a conversation that does not fit, in what order, and what the user is told."""

import pytest

from assistant.chat.fitting import Fitted, fit
from assistant.chat.types import Attachment, Conversation, Message, Role
from assistant.errors import UsageError


def conversation(*texts: str) -> Conversation:
    roles = [Role.USER, Role.ASSISTANT]
    messages = tuple(Message(roles[number % 2], text) for number, text in enumerate(texts))
    attachments = (
        Attachment("far.py", "f" * 100, 0.1),
        Attachment("near.py", "n" * 100, 0.9),
        Attachment("the selection", "s" * 100, needed=True),
    )
    return Conversation("system", messages, attachments)


def fitted(room: int, *texts: str) -> Fitted:
    return fit(conversation(*texts), room, len)


def test_what_fits_is_kept_whole_and_read_before_the_first_message() -> None:
    found = fitted(1000, "first", "answer", "second")
    assert found.notice is None
    system, first, answer, second = found.messages
    assert (system.role, system.text) == (Role.SYSTEM, "system")
    assert first.text == "\n\n".join(["f" * 100, "n" * 100, "s" * 100, "first"])
    assert (answer.text, second.text) == ("answer", "second")


def test_the_least_relevant_goes_first_and_is_named() -> None:
    found = fitted(350, "question")
    assert "f" * 100 not in found.messages[1].text
    assert "n" * 100 in found.messages[1].text
    assert found.notice is not None
    assert "far.py" in found.notice
    assert "near.py" not in found.notice


def test_then_the_earliest_messages_go_with_their_answers() -> None:
    found = fitted(300, "a" * 100, "b" * 100, "question")
    assert [message.role for message in found.messages] == [Role.SYSTEM, Role.USER]
    assert found.messages[1].text == f"{'s' * 100}\n\nquestion"
    assert found.notice is not None
    assert "far.py, near.py, 2 earlier messages" in found.notice


def test_what_cannot_be_left_out_and_is_too_long_is_refused() -> None:
    with pytest.raises(UsageError, match=r"takes 186 tokens, and the model has room for 150.*SNED_CONTEXT"):
        fitted(150, "question")
