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


LINES = "\n".join(f"line {number}" for number in range(60))


def asked_about(text: str, before: int = 0) -> Attachment:
    return Attachment("big.py", text, 1.0, before=before, may_be_cut=True)


def test_what_is_asked_about_keeps_its_beginning_and_its_fence() -> None:
    asked = Conversation(
        "system", (Message(Role.USER, "question"),), (asked_about(f"In `big.py`:\n\n```\n{LINES}\n```"),)
    )
    found = fit(asked, 300, len)
    shown = found.messages[1].text
    assert shown.startswith("In `big.py`:\n\n```\nline 0\nline 1\n")
    assert shown.endswith("\n```\n\nquestion")
    assert "line 59" not in shown
    assert sum(len(message.text) for message in found.messages) + 72 <= 300
    assert found.notice is not None
    assert "the end of big.py" in found.notice


def test_without_room_for_a_beginning_it_is_left_out() -> None:
    asked = Conversation("system", (Message(Role.USER, "q" * 150),), (asked_about(LINES),))
    found = fit(asked, 280, len)
    assert found.messages[1].text == "q" * 150
    assert found.notice == "Left out, as the model's context has no room for it: big.py."


def test_earlier_messages_go_before_what_is_asked_about_now() -> None:
    messages = (Message(Role.USER, "a" * 200), Message(Role.ASSISTANT, "b" * 200), Message(Role.USER, "question"))
    found = fit(Conversation("system", messages, (asked_about("n" * 100, before=2),)), 300, len)
    assert found.messages[1].text == "n" * 100 + "\n\nquestion"
    assert found.forgotten == 2


def test_attachments_stand_before_their_message_and_before_the_first_when_that_is_forgotten() -> None:
    messages = (Message(Role.USER, "first"), Message(Role.ASSISTANT, "answer"), Message(Role.USER, "second"))
    read = (asked_about("A", before=0), asked_about("B", before=2))
    found = fit(Conversation("system", messages, read), 1000, len)
    assert [message.text for message in found.messages[1:]] == ["A\n\nfirst", "answer", "B\n\nsecond"]
    short = fit(Conversation("system", messages, read), 115, len)
    assert [message.text for message in short.messages[1:]] == ["A\n\nB\n\nsecond"]
