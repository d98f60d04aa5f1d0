"""The three ways settings come from a client: with `initialize`, pushed when they change, and asked for."""

from collections.abc import Mapping
from typing import Any

from lsprotocol import types

from lsp.server import SnedServer
from lsp.settings import merged

SECTION = "sned"


def register(server: SnedServer) -> None:
    """Has the server hear of settings."""
    server.feature(types.INITIALIZED)(initialized)
    server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(configuration_changed)


async def initialized(server: SnedServer, params: types.InitializedParams) -> None:
    """Asks for the settings as soon as the client can be asked."""
    await pull_settings(server)


async def configuration_changed(server: SnedServer, params: types.DidChangeConfigurationParams) -> None:
    """Takes the settings that were sent, or asks for them where the client only says that they changed."""
    if params.settings is None:
        await pull_settings(server)
    else:
        apply_settings(server, params.settings)


def apply_settings(server: SnedServer, sent: Any) -> None:
    """Takes settings the client sent, with or without the section around them; tells the user what is wrong in them."""
    if isinstance(sent, Mapping) and isinstance(sent.get(SECTION), Mapping):
        sent = sent[SECTION]
    if sent is None:
        return
    if not isinstance(sent, Mapping):
        server.status.warn(
            f"The settings of sned have to be an object of fields, and are {sent!r}; nothing is changed."
        )
        return
    settings, problems = merged(server.settings, sent)
    for problem in problems:
        server.status.warn(problem)
    server.use_settings(settings)


async def pull_settings(server: SnedServer) -> None:
    """Asks the client for its settings, where it can be asked."""
    workspace = server.client_capabilities.workspace
    if workspace is None or not workspace.configuration:
        return
    answer = await server.workspace_configuration_async(
        types.ConfigurationParams([types.ConfigurationItem(section=SECTION)])
    )
    apply_settings(server, answer[0] if answer else None)
