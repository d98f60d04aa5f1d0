"""Prefill in steps: who waits is told, it can be stopped, and nothing is evaluated twice."""

import pytest

from assistant.chat.attaching import CHATTING, of_file
from assistant.chat.chat import Chat
from assistant.chat.reading import STEP_TOKENS, Reading
from assistant.chat.types import ChatOptions, Conversation, Message, Role
from assistant.engine.cancellation import Cancellation
from assistant.engine.llama import LlamaEngine
from assistant.engine.protocol import StopReason

pytestmark = pytest.mark.model

OPTIONS = ChatOptions(max_tokens=4, temperature=0)


def conversation(name: str) -> Conversation:
    code = "".join(f"def {name}_{number}(value):\n    return value * {number}\n\n\n" for number in range(50))
    return Conversation(CHATTING, (Message(Role.USER, "What is the first function?"),), (of_file("a.py", code),))


def test_how_far_it_is_grows_to_nearly_all_and_costs_nothing_more(engine: LlamaEngine) -> None:
    told: list[Reading] = []
    reply = Chat(engine, told.append).reply(conversation("grows"), OPTIONS, sequence="grows")
    done = [each.done for each in told]
    assert len(done) > 3
    assert done == sorted(done)
    assert {each.total for each in told} == {told[0].total}
    assert abs(told[0].total - reply.usage.prompt_tokens) < 10
    assert reply.usage.prompt_tokens - done[-1] <= STEP_TOKENS + 64
    assert reply.usage.cached_tokens < STEP_TOKENS  # another test may have read the same system prompt
    assert reply.usage.prefill_seconds > 0
    again: list[Reading] = []
    Chat(engine, again.append).reply(conversation("grows"), OPTIONS, sequence="grows")
    assert again == []


def test_the_answer_is_that_of_a_prompt_read_at_once(engine: LlamaEngine) -> None:
    options = ChatOptions(max_tokens=12, temperature=0)
    told: list[Reading] = []
    in_steps = Chat(engine, told.append).reply(conversation("same"), options, sequence="steps")
    at_once = Chat(engine).reply(conversation("same"), options, sequence="once")
    assert told
    assert in_steps.text == at_once.text


def test_it_stops_between_steps(engine: LlamaEngine) -> None:
    cancel = Cancellation()
    told: list[Reading] = []

    def hear(reading: Reading) -> None:
        told.append(reading)
        if len(told) == 2:
            cancel.set()

    reply = Chat(engine, hear).reply(conversation("stops"), OPTIONS, cancel, sequence="stops")
    assert (reply.text, reply.usage.stop_reason) == ("", StopReason.CANCELLED)
    assert len(told) == 2
