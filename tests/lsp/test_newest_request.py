"""One answer to each request, the newest of a document wins, and none for a text that has changed since."""

import asyncio
import sys
import time

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from tests.lsp.editor import Editor

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLOW = [sys.executable, "-m", "tests.lsp.slow_server", "0.05"]
FAST = [sys.executable, "-m", "tests.lsp.slow_server", "0"]
URI = "file:///slow.py"


async def test_a_newer_request_ends_an_older_one_at_once() -> None:
    async with Editor(command=SLOW) as editor:
        editor.open(URI, "value = ")
        older = asyncio.ensure_future(editor.ask(URI, 0, 8))
        await editor.status("working")
        newer = asyncio.ensure_future(editor.ask(URI, 0, 7))
        assert await older is None
        assert not newer.done()
        assert await newer


async def test_requests_of_two_documents_are_both_answered() -> None:
    async with Editor(command=SLOW) as editor:
        other = "file:///other.py"
        editor.open(URI, "value = ")
        editor.open(other, "result = ")
        answers = await asyncio.gather(editor.ask(URI, 0, 8), editor.ask(other, 0, 9))
        assert all(answers)


async def test_an_answer_for_an_older_version_is_null() -> None:
    async with Editor(command=SLOW) as editor:
        editor.open(URI, "value = ")
        asked = asyncio.ensure_future(editor.ask(URI, 0, 8))
        await editor.status("working")
        editor.insert(URI, 0, 8, "1")
        assert await asked is None


async def test_cancelling_a_request_answers_it_and_stops_the_engine(capfd: pytest.CaptureFixture[str]) -> None:
    async with Editor(command=SLOW) as editor:
        editor.open(URI, "value = ")
        params = editor.inline_params(URI, 0, 8)
        asked = editor.client.protocol.send_request("textDocument/inlineCompletion", params, msg_id="one")
        await editor.status("working")
        await seen(capfd, "began")
        editor.client.cancel_request(types.CancelParams(id="one"))
        with pytest.raises(JsonRpcException, match="cancel"):
            await asyncio.wrap_future(asked)
        await seen(capfd, "cancelled")
        assert await editor.ask(URI, 0, 8)  # the engine is free


async def test_cancelling_an_older_request_leaves_the_newer_alone() -> None:
    async with Editor(command=SLOW) as editor:
        editor.open(URI, "value = ")
        params = editor.inline_params(URI, 0, 8)
        older = editor.client.protocol.send_request("textDocument/inlineCompletion", params, msg_id="older")
        newer = asyncio.ensure_future(editor.ask(URI, 0, 7))
        editor.client.cancel_request(types.CancelParams(id="older"))
        await asyncio.wait([asyncio.wrap_future(older)])
        assert await newer


async def test_a_closed_document_has_no_answer() -> None:
    async with Editor(command=SLOW) as editor:
        editor.open(URI, "value = ")
        asked = asyncio.ensure_future(editor.ask(URI, 0, 8))
        await editor.status("working")
        editor.close(URI)
        assert await asked is None


async def test_typing_is_waited_out_when_asked_for() -> None:
    async with Editor(command=FAST, settings={"debounce": 300}) as editor:
        editor.open(URI, "value = ")
        assert await editor.ask(URI, 0, 8)  # by key: at once, and the model is open then
        started = time.monotonic()
        editor.insert(URI, 0, 0, "a")
        assert await editor.ask(URI, 0, 9, by_key=False)
        assert time.monotonic() - started >= 0.3


async def seen(capfd: pytest.CaptureFixture[str], word: str) -> str:
    """Waits until the server has written a word to standard error; gives all it wrote since the last call."""
    text = ""
    async with asyncio.timeout(10):
        while word not in text:
            text += capfd.readouterr().err
            await asyncio.sleep(0.01)
    return text


async def test_typing_what_the_model_writes_lets_it_go_on(capfd: pytest.CaptureFixture[str]) -> None:
    async with Editor(command=SLOW) as editor:
        editor.open(URI, "value = ")
        older = asyncio.ensure_future(editor.ask(URI, 0, 8))
        await seen(capfd, "began")
        await asyncio.sleep(0.5)
        editor.insert(URI, 0, 8, "0 + 1")
        newer = asyncio.ensure_future(editor.ask(URI, 0, 13))
        assert await older is None
        answer = await newer
        assert answer is not None
        assert answer[0].startswith(" + 2 + 3")
        assert "cancelled" not in await seen(capfd, "ended")


async def test_typing_something_else_stops_it(capfd: pytest.CaptureFixture[str]) -> None:
    async with Editor(command=SLOW) as editor:
        editor.open(URI, "value = ")
        older = asyncio.ensure_future(editor.ask(URI, 0, 8))
        await seen(capfd, "began")
        editor.insert(URI, 0, 8, "x")
        assert await older is None
        await seen(capfd, "cancelled")
