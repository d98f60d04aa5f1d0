"""The default model answers about code, explains it and rewrites it."""

import pytest

from assistant.chat.chat import Chat
from assistant.chat.requests import Excerpt, ask, explain, fenced, rewrite
from assistant.chat.rewriting import code_of
from assistant.chat.types import ChatOptions, Message, Role
from assistant.engine.cancellation import Cancellation
from assistant.engine.llama import LlamaEngine
from assistant.engine.protocol import StopReason
from assistant.errors import UsageError

pytestmark = pytest.mark.model

CODE = "def average(values):\n    return sum(values) / len(values)\n"
EXCERPT = Excerpt("stats.py", "python", "import math\n\n\n", CODE, "\n\nprint(average([1]))\n")
OPTIONS = ChatOptions(max_tokens=60, temperature=0)


@pytest.fixture
def chat(engine: LlamaEngine) -> Chat:
    return Chat(engine)


def test_an_answer_comes_in_pieces_that_make_up_the_whole(chat: Chat) -> None:
    pieces: list[str] = []
    reply = chat.reply(explain(EXCERPT), OPTIONS, hear=pieces.append)
    assert "".join(pieces) == reply.text
    assert len(pieces) > 10
    assert "average" in reply.text
    assert reply.usage.completion_tokens == len(pieces)
    assert reply.notice is None


def test_a_further_question_evaluates_only_what_is_new(chat: Chat) -> None:
    first = chat.reply(ask(EXCERPT, "Which function is called first?"), OPTIONS)
    earlier = (Message(Role.USER, "Which function is called first?"), Message(Role.ASSISTANT, first.text))
    second = chat.reply(ask(EXCERPT, "And then?", earlier), OPTIONS)
    assert second.usage.cached_tokens >= first.usage.prompt_tokens - 1


def test_code_is_rewritten_by_an_instruction(chat: Chat) -> None:
    reply = chat.reply(rewrite(EXCERPT, "rename the function to mean"), ChatOptions(temperature=0))
    assert code_of(reply.text).startswith("def mean(values):\n")


def test_cancelling_keeps_what_there_is(chat: Chat) -> None:
    cancel = Cancellation()
    pieces: list[str] = []

    def hear(piece: str) -> None:
        pieces.append(piece)
        if len(pieces) == 5:
            cancel.set()

    reply = chat.reply(explain(EXCERPT), OPTIONS, cancel, hear=hear)
    assert reply.usage.stop_reason is StopReason.CANCELLED
    assert reply.text == "".join(pieces)
    assert len(pieces) == 5


def test_a_long_document_is_left_out_with_a_notice_and_a_long_selection_refused(chat: Chat) -> None:
    long = "x = 1  # a long document\n" * 400
    around = Excerpt("long.py", "python", long.replace("\n", " and so on" * 20 + "\n"), "y = 2\n", "")
    reply = chat.reply(ask(around, "What is y?"), ChatOptions(max_tokens=4))
    assert reply.notice is not None
    assert "the lines before the selection" in reply.notice
    with pytest.raises(UsageError, match="SNED_CONTEXT"):
        chat.reply(explain(Excerpt("long.py", "python", "", long, "")), OPTIONS)


def test_nothing_in_code_closes_its_fence() -> None:
    code = "a\n````\nb"
    assert code_of(fenced(code, "md")) == code
