"""Futures of messages are held until they are done, and no longer, in the protocol that pygls drives."""

import asyncio
import gc
import weakref
from concurrent.futures import Future
from typing import Any

import pytest
from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol
from pygls.protocol.json_rpc import JsonRPCNotification

from lsp.pending import PendingFutures
from lsp.protocol import Protocol

MESSAGES = 50


async def held_after_notifications(protocol: type[LanguageServerProtocol]) -> int:
    """How many of the futures of notifications that were handled still exist."""
    server = LanguageServer("tested", "1", protocol_cls=protocol)
    handled: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
    count = 0

    @server.feature("tested/notification")
    async def handler(params: Any) -> None:
        nonlocal count
        handled.add(asyncio.current_task())  # type: ignore[arg-type]
        count += 1

    for _ in range(MESSAGES):
        server.protocol.handle_message(JsonRPCNotification("tested/notification", "2.0", None))
    async with asyncio.timeout(10):
        while count < MESSAGES:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    gc.collect()
    return len(handled)


@pytest.mark.asyncio
async def test_notifications_leave_nothing_behind() -> None:
    assert await held_after_notifications(Protocol) == 0


@pytest.mark.asyncio
async def test_pygls_alone_still_keeps_them() -> None:
    """Once it does not, `lsp.pending` can go."""
    assert await held_after_notifications(LanguageServerProtocol) == MESSAGES


@pytest.mark.asyncio
async def test_cancelling_a_commands_request_cancels_the_command() -> None:
    server = LanguageServer("tested", "1", protocol_cls=Protocol)
    ended: list[str] = []
    begun = asyncio.Event()

    @server.command("tested.wait")
    async def wait() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    server.protocol.handle_message(types.ExecuteCommandRequest("one", types.ExecuteCommandParams("tested.wait")))
    await asyncio.wait_for(begun.wait(), 10)
    server.protocol.handle_message(types.CancelNotification(types.CancelParams("one")))
    async with asyncio.timeout(10):
        while not ended:
            await asyncio.sleep(0.001)


@pytest.mark.asyncio
async def test_shutdown_ends_commands_that_run_and_is_answered() -> None:
    server = LanguageServer("tested", "1", protocol_cls=Protocol)
    written: list[bytes] = []

    class Writer:
        def write(self, data: bytes) -> None:
            written.append(data)

        def close(self) -> None: ...

    server.protocol.set_writer(Writer(), include_headers=False)

    @server.command("tested.wait")
    async def wait() -> None:
        await asyncio.sleep(60)

    for name in ("one", "two"):
        server.protocol.handle_message(types.ExecuteCommandRequest(name, types.ExecuteCommandParams("tested.wait")))
    server.protocol.handle_message(types.ShutdownRequest("last"))
    await asyncio.sleep(0.01)
    assert [b'"last"' in data and b"error" not in data for data in written].count(True) == 1


def test_an_id_may_be_used_again() -> None:
    pending = PendingFutures()
    first, second = Future[None](), Future[None]()
    pending["1"] = first
    pending["1"] = second
    first.set_result(None)
    assert pending["1"] is second
    second.cancel()
    assert not pending
