"""How the server begins and ends, and what it offers to which client."""

from typing import BinaryIO

from lsprotocol import types

from assistant.settings import Settings
from lsp import commands, completion, configuration, documents_sync, inline_completion
from lsp.server import SnedServer


def create_server(settings: Settings) -> SnedServer:
    """A server that is ready to be started, with all that any client gets."""
    server = SnedServer(settings)
    server.feature(types.INITIALIZE)(initialize)
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


def serve(settings: Settings, stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Serves one client until it exits or goes away."""
    server = create_server(settings)
    try:
        server.start_io(stdin, stdout)
    finally:
        server.sessions.close()


def serve_tcp(settings: Settings, port: int) -> None:
    """Serves one client, which connects to `port` on this machine, until it exits or goes away."""
    server = create_server(settings)
    try:
        server.start_tcp("127.0.0.1", port)
    finally:
        server.sessions.close()
