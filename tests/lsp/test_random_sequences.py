"""Any sequence of edits, requests and cancellations: the texts agree, and every request is answered as it should be."""

import asyncio
import re
import sys
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import psutil
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from tests.lsp.editor import Editor

COMMAND = [sys.executable, "-m", "tests.lsp.slow_server", "0.0005"]
T = TypeVar("T")
TEXTS = st.text(st.sampled_from("ab(\tü€😀\r\n\f\u2028"), max_size=8)


def position(text: str, offset: int) -> types.Position:
    """The position of an offset in UTF-16 units, by the protocol's line ends."""
    lines = re.split(r"\r\n|\r|\n", text[:offset])
    return types.Position(len(lines) - 1, len(lines[-1].encode("utf-16-le")) // 2)


class Session:
    """One editor and one server for all examples: documents are new for each."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.editor = Editor(command=COMMAND)
        self.documents = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)


@dataclass
class Asked:
    """A request on its way. It is stale when the server has heard of a change before it answered."""

    future: Future[Any]
    identifier: str
    stale: bool = False


class Editing(RuleBasedStateMachine):
    """An editor at work on one document."""

    session: ClassVar[Session]

    def __init__(self) -> None:
        super().__init__()
        self.session.documents += 1
        self.editor = self.session.editor
        self.text = "value = "
        self.uri = self.editor.open(f"file:///random{self.session.documents}.py", self.text)
        self.asked: list[Asked] = []

    @rule(data=st.data(), new=TEXTS, heard=st.booleans())
    def edit(self, data: st.DataObject, new: str, heard: bool) -> None:
        places = st.integers(0, len(self.text)).filter(lambda each: self.text[max(each - 1, 0) : each + 1] != "\r\n")
        begin, end = sorted((data.draw(places), data.draw(places)))
        where = types.Range(position(self.text, begin), position(self.text, end))
        self.editor.edit(self.uri, where, new)
        self.text = self.text[:begin] + new + self.text[end:]
        if heard:
            assert self.session.run(self.editor.command_result("test.text", self.uri)) == self.text
            for asked in self.asked:
                asked.stale = asked.stale or not asked.future.done()

    @rule(by_key=st.booleans(), line=st.integers(0, 10), character=st.integers(0, 10))
    def ask(self, by_key: bool, line: int, character: int) -> None:
        identifier = f"{self.uri}-{len(self.asked)}"
        params = self.editor.inline_params(self.uri, line, character, by_key)
        future = self.editor.client.protocol.send_request("textDocument/inlineCompletion", params, msg_id=identifier)
        self.asked.append(Asked(future, identifier))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        asked = data.draw(st.sampled_from(self.asked))
        self.editor.client.cancel_request(types.CancelParams(id=asked.identifier))

    @rule(seconds=st.sampled_from([0, 0.001, 0.03]))
    def pause(self, seconds: float) -> None:
        self.session.run(asyncio.sleep(seconds))

    @rule()
    def wait_for_all(self) -> None:
        self.session.run(self.answered())

    async def answered(self) -> None:
        """Waits until every request is answered: cancelled, with nothing, or with items unless it is stale."""
        async with asyncio.timeout(30):
            for asked in self.asked:
                try:
                    answer = await asyncio.wrap_future(asked.future)
                except JsonRpcException as error:
                    assert "cancel" in str(error).lower()
                    continue
                assert answer is None or (answer.items and not asked.stale)

    def teardown(self) -> None:
        self.session.run(self.answered())
        assert self.session.run(self.editor.command_result("test.text", self.uri)) == self.text
        self.editor.close(self.uri)


def test_any_sequence_of_edits_requests_and_cancellations() -> None:
    Editing.session = Session()
    Editing.session.run(Editing.session.editor.__aenter__())
    try:
        run_state_machine_as_test(Editing, settings=settings(max_examples=50, stateful_step_count=30, deadline=None))
    finally:
        Editing.session.run(Editing.session.editor.__aexit__(None, None, None))
        Editing.session.loop.close()


@pytest.mark.asyncio
async def test_memory_stays_flat_over_ten_thousand_requests() -> None:
    async with Editor(command=[*COMMAND[:-1], "0"]) as editor:
        uri = editor.open("file:///long.py", "value = compute(argument)\n" * 50)
        server = editor.client._server
        assert server is not None
        process = psutil.Process(server.pid)
        sizes = []
        for number in range(10_000):
            line, text = number % 50, f"result{number} = "
            editor.insert(uri, line, 0, f"{text}\n")
            assert await editor.ask(uri, line, len(text))
            editor.edit(uri, types.Range(types.Position(line, 0), types.Position(line + 1, 0)), "")
            if number % 2_500 == 2_499:
                sizes.append(process.memory_info().rss)
        assert sizes[-1] - sizes[0] < 16 * 1024**2, sizes
