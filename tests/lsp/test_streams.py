"""What a client sends, however it is connected, and how it ends."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pytest

from lsp.streams import reader_of
from tests.lsp.editor import SNED


def message(**parts: Any) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", **parts}).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


BEGINNING = message(id=1, method="initialize", params={"capabilities": {}, "processId": None}) + message(
    method="initialized", params={}
)
CONVERSATION = BEGINNING + message(id=2, method="not/known")


def test_a_file_is_served_as_a_pipe_is(tmp_path: Path) -> None:
    file = tmp_path / "conversation"
    file.write_bytes(CONVERSATION)
    with file.open("rb") as stdin:
        from_file = subprocess.run(SNED, stdin=stdin, capture_output=True, timeout=60, check=False)
    from_pipe = subprocess.run(SNED, input=CONVERSATION, capture_output=True, timeout=60, check=False)
    assert b'"id": 2' in from_file.stdout
    assert from_file.stdout == from_pipe.stdout


@pytest.mark.parametrize("over", ["pipes", "a socket"])
def test_a_request_sees_the_text_as_it_was_when_it_was_sent(over: str) -> None:
    uri = "file:///a.py"
    document = {"uri": uri, "languageId": "python", "version": 0, "text": "value = "}
    place = {"line": 0, "character": 8}
    asking = {"textDocument": {"uri": uri}, "position": place, "context": {"triggerKind": 1}}
    change = {"range": {"start": place, "end": place}, "text": "1"}
    inline: dict[str, Any] = {"textDocument": {"inlineCompletion": {}}}
    opened = [
        message(id=1, method="initialize", params={"capabilities": inline, "processId": None}),
        message(method="initialized", params={}),
        message(method="textDocument/didOpen", params={"textDocument": document}),
        message(id=2, method="textDocument/inlineCompletion", params=asking),
    ]
    at_once = [
        message(id=3, method="textDocument/inlineCompletion", params=asking | {"position": {**place, "character": 7}}),
        message(
            method="textDocument/didChange",
            params={"textDocument": {"uri": uri, "version": 1}, "contentChanges": [change]},
        ),
        message(id=4, method="workspace/executeCommand", params={"command": "test.text", "arguments": [uri]}),
    ]
    with connected(over) as (sending, receiving):
        sending.write(b"".join(opened))
        sending.flush()
        answers = _answers(receiving, 1, 2)
        sending.write(b"".join(at_once))
        sending.flush()
        answers |= _answers(receiving, 3, 4)
    assert answers[2] is not None
    assert answers[3] is None
    assert answers[4] == "value = 1"


@contextmanager
def connected(over: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """A server, asked through pipes or a socket; it ends when the client goes away."""
    command = [sys.executable, "-m", "tests.lsp.slow_server", "0.001"]
    if over == "pipes":
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            yield server.stdin, server.stdout
            server.stdin.close()
            assert server.wait(60) == 0
        return
    port = free_port()
    arguments = [*command, "never", "--tcp", str(port)]
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        with connection(port) as client, client.makefile("rwb") as stream:
            yield stream, stream
        assert server.wait(60) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def connection(port: int) -> socket.socket:
    """To a server that has yet to begin to listen."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), 60)
        time.sleep(0.05)
    raise AssertionError(f"nobody listens on port {port}")


def test_a_port_that_is_taken_is_named_with_the_next_step() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = subprocess.run([*SNED, "--tcp", str(port)], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert f"port {port}" in ended.stderr
    assert "choose another port" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (message(id=3, method="shutdown") + message(method="exit"), 0),
        (message(id=3, method="shutdown"), 0),
        (message(method="exit"), 1),
    ],
)
def test_exit_waits_for_the_answer_to_shutdown_and_tells_of_none(end: bytes, status: int) -> None:
    ended = subprocess.run(SNED, input=BEGINNING + end, capture_output=True, timeout=60, check=False)
    assert ended.returncode == status
    assert (b'"id": 3' in ended.stdout) == (b"shutdown" in end)
    assert b"Traceback" not in ended.stderr


def _answers(stream: IO[bytes], *ids: int) -> dict[int, Any]:
    """The results of these requests."""
    results: dict[int, Any] = {}
    while not results.keys() >= set(ids):
        length = 0
        while (header := stream.readline()).strip():
            name, _, value = header.partition(b":")
            length = int(value) if name == b"Content-Length" else length
        answer = json.loads(stream.read(length))
        if "id" in answer and "method" not in answer:
            results[answer["id"]] = answer["result"]
    return results


@pytest.mark.parametrize("sent", [b"", b"Content-Len", message(id=1, method="initialize")[:-3]])
def test_a_client_that_goes_away_ends_the_server_wherever_it_was(sent: bytes) -> None:
    ended = subprocess.run(SNED, input=sent, capture_output=True, timeout=60, check=False)
    assert b"Traceback" not in ended.stderr


@pytest.mark.asyncio
@pytest.mark.parametrize("piped", [True, False])
async def test_what_is_sent_is_read_in_order_to_its_end(piped: bool, tmp_path: Path) -> None:
    sent = b"a line\n" + os.urandom(1 << 20)
    if piped:
        read_end, write_end = os.pipe()
        writing = asyncio.get_running_loop().run_in_executor(None, _write, write_end, sent)
        stdin = os.fdopen(read_end, "rb")
    else:
        (tmp_path / "sent").write_bytes(sent)
        stdin = (tmp_path / "sent").open("rb")
    with stdin:
        reader = reader_of(stdin)
        assert await reader.readline() == b"a line\n"
        assert await reader.readexactly(1 << 20) == sent[7:]
        assert await reader.readline() == b""
    if piped:
        await writing


def _write(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
