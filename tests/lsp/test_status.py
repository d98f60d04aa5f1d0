"""How often a client is told what the server does."""

import asyncio
import sys

import pytest

from tests.lsp.editor import Editor

pytestmark = pytest.mark.asyncio(loop_scope="module")

URI = "file:///slow.py"


async def test_what_is_done_at_once_is_not_announced() -> None:
    async with Editor(command=[sys.executable, "-m", "tests.lsp.slow_server", "0"]) as editor:
        editor.open(URI, "value = ")
        assert await editor.ask(URI, 0, 8)
        del editor.statuses[:]
        for number in range(20):
            editor.insert(URI, 0, 8 + number, "x")
            await editor.ask(URI, 0, 9 + number)
        assert len(editor.statuses) < 20  # on a busy machine some take longer than a tenth of a second


async def test_what_takes_longer_is_announced_and_then_its_end() -> None:
    async with Editor(command=[sys.executable, "-m", "tests.lsp.slow_server", "0.02"]) as editor:
        editor.open(URI, "value = ")
        assert await editor.ask(URI, 0, 8)
        states = [each.state for each in editor.statuses]
        assert states[-2:] == ["working", "ready"]


async def test_what_nobody_waits_for_any_more_is_not_announced() -> None:
    async with Editor(command=[sys.executable, "-m", "tests.lsp.slow_server", "0"]) as editor:
        editor.open(URI, "value = ")
        assert await editor.ask(URI, 0, 8)
        del editor.statuses[:]
        params = editor.inline_params(URI, 0, 8)
        asked = editor.client.protocol.send_request("textDocument/inlineCompletion", params, msg_id="one")
        editor.insert(URI, 0, 8, "x")
        await asyncio.wait([asyncio.wrap_future(asked)])
        await asyncio.sleep(0.3)
        assert all(each.state != "working" for each in editor.statuses)
