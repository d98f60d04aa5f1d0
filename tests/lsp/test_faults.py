"""An engine that fails, a client that disappears, a model that is gone, and messages that make no sense."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

from tests.lsp.editor import SNED, Editor

pytestmark = pytest.mark.asyncio(loop_scope="module")

URI = "file:///a.py"
INITIALIZE: dict[str, Any] = {"processId": None, "rootUri": None, "capabilities": {}}


def failing(fault: str) -> list[str]:
    return [sys.executable, "-m", "tests.lsp.slow_server", "0", fault]


async def test_an_engine_that_fails_is_started_again_once_with_a_message() -> None:
    async with Editor(command=failing("once")) as editor:
        editor.open(URI, "value = ")
        assert await editor.ask(URI, 0, 8) is None
        assert "The model is started again." in await editor.message("killed")
        assert await editor.ask(URI, 0, 8)


async def test_an_engine_that_keeps_failing_is_left_to_the_user() -> None:
    async with Editor(command=failing("always")) as editor:
        editor.open(URI, "value = ")
        for column in (8, 7, 6):
            assert await editor.ask(URI, 0, column) is None
        assert (await editor.status("sned.restart tries anew")).state == "failed"
        assert len([each for each in editor.client.messages if "started again" in each.message]) == 1


async def test_without_a_model_the_reason_and_the_next_step_are_told(tmp_path: Path) -> None:
    async with Editor(environment={"SNED_HOME": str(tmp_path)}) as editor:
        editor.open(URI, "value = ")
        assert await editor.ask(URI, 0, 8) is None
        assert "sned fetch" in (await editor.status("failed")).message


@pytest.mark.model
async def test_a_model_removed_while_loaded_goes_on_and_is_missed_at_the_next_start(
    base_model: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.gguf"
    shutil.copyfile(base_model, model)
    async with Editor(settings={"model": str(model)}) as editor:
        uri = editor.open(URI, "def add(a, b):\n    return ")
        assert await editor.ask(uri, 1, 11)
        model.unlink()
        editor.insert(uri, 0, 0, "\n")
        assert await editor.ask(uri, 2, 11)
        await editor.command_result("sned.restart")
        editor.insert(uri, 0, 0, "\n")
        assert await editor.ask(uri, 3, 11) is None
        assert "no model file" in (await editor.status("failed")).message


async def test_a_file_that_vanishes_while_it_is_open_is_completed_as_before(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    path = project / "a.py"
    path.write_text("value = ")
    async with Editor(command=failing("never"), folders=[project]) as editor:
        uri = editor.open(path.as_uri(), path.read_text())
        assert await editor.ask(uri, 0, 8)
        shutil.rmtree(project)
        editor.insert(uri, 0, 8, "1 - ")
        assert await editor.ask(uri, 0, 12)
        assert await editor.command_result("test.text", uri) == "value = 1 - "


@pytest.mark.parametrize("line", [10**6, 2**31 - 1])
async def test_positions_outside_the_text_are_answered(line: int) -> None:
    async with Editor(command=failing("never")) as editor:
        editor.open(URI, "value = ")
        place = types.Position(line, line)
        editor.edit(URI, types.Range(place, place), "1 + ")
        assert await editor.ask(URI, line, line)


async def test_a_change_of_a_document_that_is_not_open_is_ignored() -> None:
    async with Editor(command=failing("never")) as editor:
        editor.versions["file:///never.py"] = 1
        editor.insert("file:///never.py", 0, 0, "x")
        editor.open(URI, "value = ")
        assert await editor.ask(URI, 0, 8)


class Wire:
    """The server's pipes, for messages no client would send."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout

    @classmethod
    async def start(cls, command: list[str] = SNED) -> "Wire":
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=2**24))

    async def raw(self, body: bytes) -> None:
        self._stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await self._stdin.drain()

    async def send(self, **message: Any) -> None:
        await self.raw(json.dumps({"jsonrpc": "2.0", **message}).encode())

    async def answer(self, number: int | None) -> dict[str, Any]:
        """The response to a request, whatever comes before."""
        async with asyncio.timeout(30):
            while True:
                message = await self._receive()
                if "method" not in message and message.get("id") == number:
                    return message

    async def request(self, method: str) -> None:
        """Waits until the server asks the client for something."""
        async with asyncio.timeout(30):
            while (await self._receive()).get("method") != method:
                pass

    async def _receive(self) -> dict[str, Any]:
        length = 0
        while (header := await self._stdout.readline()).strip():
            name, _, value = header.decode().partition(":")
            if name.lower() == "content-length":
                length = int(value)
        message: dict[str, Any] = json.loads(await self._stdout.readexactly(length))
        return message

    async def end(self) -> int:
        """Goes away; the server's exit status comes back."""
        self._stdin.close()
        async with asyncio.timeout(30):
            return await self.process.wait()


async def test_what_makes_no_sense_is_answered_with_errors_and_the_server_lives() -> None:
    wire = await Wire.start(failing("never"))
    await wire.send(id=1, method="textDocument/inlineCompletion", params={})
    assert (await wire.answer(1))["error"]["code"] == types.ErrorCodes.InvalidParams.value
    await wire.raw(b"{not json")
    assert (await wire.answer(None))["error"]["code"] == types.ErrorCodes.ParseError.value
    await wire.send(id=2, method="initialize", params=INITIALIZE)
    assert "result" in await wire.answer(2)
    await wire.send(id=3, method="textDocument/telepathy", params={"x": [1, {"y": None}]})
    assert (await wire.answer(3))["error"]["code"] == types.ErrorCodes.MethodNotFound.value
    await wire.send(id=10, method="textDocument/telepathy")  # parameters may be left out
    assert (await wire.answer(10))["error"]["code"] == types.ErrorCodes.MethodNotFound.value
    await wire.send(id=4, method="textDocument/completion", params={"position": "everywhere"})
    assert (await wire.answer(4))["error"]["code"] == types.ErrorCodes.InvalidParams.value
    place = {"textDocument": {"uri": URI}, "position": {"line": -1, "character": 0}}
    await wire.send(id=8, method="textDocument/completion", params=place)
    assert (await wire.answer(8))["error"]["code"] == types.ErrorCodes.InvalidParams.value
    await wire.send(method="textDocument/telepathy", params=7)
    await wire.send(method="textDocument/didChange", params={"textDocument": {"uri": URI, "version": 2}})
    for body in (b"[]", b"7", b"null", b'"text"', b"\xff\xfe", b"{}", b'{"jsonrpc": "1.0", "id": 9, "method": "x"}'):
        await wire.raw(body)
    await wire.send(id=5, method="workspace/executeCommand", params={"command": "sned.status", "arguments": []})
    assert "result" in await wire.answer(5)
    await wire.send(id=6, method="shutdown")
    assert (await wire.answer(6))["result"] is None
    await wire.send(id=7, method="textDocument/completion", params={})
    assert "error" in await wire.answer(7)
    await wire.send(method="exit")
    assert await wire.end() == 0


async def test_requests_before_initialisation_are_errors() -> None:
    wire = await Wire.start(failing("never"))
    params = {"command": "sned.build", "arguments": [URI]}
    await wire.send(id=1, method="workspace/executeCommand", params=params)
    assert "error" in await wire.answer(1)
    await wire.end()


async def test_the_server_ends_when_its_client_disappears() -> None:
    wire = await Wire.start()
    await wire.send(id=1, method="initialize", params=INITIALIZE)
    await wire.answer(1)
    await wire.send(
        method="textDocument/didOpen",
        params={
            "textDocument": {"uri": URI, "languageId": "python", "version": 1, "text": "def add(a, b):\n    return "}
        },
    )
    assert await wire.end() == 0


async def test_shutdown_is_answered_while_a_question_to_the_user_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNED_HOME", str(tmp_path))
    wire = await Wire.start()
    options = {"initializationOptions": {"offerModels": "ask"}}
    await wire.send(id=1, method="initialize", params=INITIALIZE | options)
    await wire.answer(1)
    document = {"uri": URI, "languageId": "python", "version": 1, "text": "value = "}
    await wire.send(method="textDocument/didOpen", params={"textDocument": document})
    await wire.request("window/showMessageRequest")
    await wire.send(id=2, method="shutdown")
    assert (await wire.answer(2))["result"] is None
    await wire.send(method="exit")
    assert await wire.end() == 0


async def test_the_server_ends_when_its_client_is_killed_during_a_message() -> None:
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(*SNED, stdin=reading, stdout=asyncio.subprocess.DEVNULL)
    os.close(reading)
    os.write(writing, b"Content-Length: 1000\r\n\r\n{")
    os.close(writing)
    async with asyncio.timeout(30):
        assert await process.wait() == 0
