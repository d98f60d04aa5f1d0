"""How the server begins and ends, and what it offers to which client."""

import asyncio
import os
import signal
from typing import BinaryIO

from lsprotocol import types

from assistant.settings import Settings
from lsp import commands, completion, configuration, documents_sync, inline_completion
from lsp.server import SnedServer

# What an editor's last request may wait for at most; then saving goes on until the server is killed or has saved.
_SECONDS_TO_CLOSE = 1.5
# A terminal that is closed tells the server and the editor in it alike.
_ENDING_SIGNALS = ("SIGTERM", "SIGHUP")


def create_server(settings: Settings) -> SnedServer:
    """A server that is ready to be started, with all that any client gets."""
    server = SnedServer(settings)
    server.feature(types.INITIALIZE)(initialize)
    server.feature(types.SHUTDOWN)(shut_down)
    configuration.register(server)
    documents_sync.register(server)
    commands.register(server)
    return server


def initialize(server: SnedServer, params: types.InitializeParams) -> None:
    """Registers what this client can use: what it cannot is never advertised."""
    server.protocol.use_fast_documents()
    text_document = params.capabilities.text_document
    if text_document is not None and text_document.inline_completion is not None:
        inline_completion.register(server)
    else:
        server.takes_snippets = completion.wants_snippets(params)
        completion.register(server)
    configuration.apply_settings(server, params.initialization_options)
    _save_when_terminated(server)


async def shut_down(server: SnedServer, *_: None) -> None:
    """Closes the models, which saves what they have evaluated, before the answer: then a client may kill the server."""
    closing = asyncio.get_running_loop().run_in_executor(None, server.sessions.close)
    await asyncio.wait([closing], timeout=_SECONDS_TO_CLOSE)


def serve(settings: Settings, stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Serves one client until it goes away.

    Raises:
        SystemExit: it has sent `exit`.
    """
    server = create_server(settings)
    try:
        server.serve_client(stdin, stdout)
    finally:
        server.sessions.close()


def serve_tcp(settings: Settings, port: int) -> None:
    """Serves one client, which connects to `port` on this machine, until it goes away.

    Raises:
        UsageError: the port is taken, or not ours to take.
        SystemExit: as `serve`.
    """
    server = create_server(settings)
    try:
        server.serve_connection("127.0.0.1", port)
    finally:
        server.sessions.close()


def _save_when_terminated(server: SnedServer) -> None:
    """Has the models closed before a signal ends the process; at once by a second one."""
    loop = asyncio.get_running_loop()
    for name in _ENDING_SIGNALS:
        if number := getattr(signal, name, None):
            try:
                loop.add_signal_handler(number, _end, server, number)
            except NotImplementedError:  # Windows, where nobody sends them
                return


def _end(server: SnedServer, number: int) -> None:
    # The thread that reads standard input waits for the client: only the signal ends the process.
    asyncio.get_running_loop().remove_signal_handler(number)
    try:
        server.sessions.close()
    finally:
        os.kill(os.getpid(), number)
