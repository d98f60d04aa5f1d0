"""What comes on standard input, however it is connected."""

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lsp.standard_input import reader_of
from tests.lsp.editor import SNED


def message(**parts: Any) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", **parts}).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


CONVERSATION = (
    message(id=1, method="initialize", params={"capabilities": {}, "processId": None})
    + message(method="initialized", params={})
    + message(id=2, method="not/known")
)


def test_a_file_is_served_as_a_pipe_is(tmp_path: Path) -> None:
    file = tmp_path / "conversation"
    file.write_bytes(CONVERSATION)
    with file.open("rb") as stdin:
        from_file = subprocess.run(SNED, stdin=stdin, capture_output=True, timeout=60, check=False)
    from_pipe = subprocess.run(SNED, input=CONVERSATION, capture_output=True, timeout=60, check=False)
    assert b'"id": 2' in from_file.stdout
    assert from_file.stdout == from_pipe.stdout


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
