"""`workspace/executeCommand`: what an editor binds to keys or menus."""

from dataclasses import asdict
from typing import Any

from assistant.errors import SnedError
from lsp import alternatives, chatting, editing, provisioning
from lsp.server import SnedServer
from lsp.status import State, Status


def register(server: SnedServer) -> None:
    """Offers the commands."""
    server.command("sned.accept")(accept)
    server.command("sned.next")(alternatives.next_suggestion)
    server.command("sned.explain")(chatting.explain_selection)
    server.command("sned.chat")(chatting.chat)
    server.command("sned.edit")(editing.edit)
    server.command("sned.restart")(restart)
    server.command("sned.switchModel")(switch_model)
    server.command("sned.status")(status)
    server.command("sned.fetch")(provisioning.fetch)
    server.command("sned.build")(provisioning.build)


def accept(server: SnedServer, uri: str, text: str) -> None:
    """Hears that a suggestion was inserted; clients call it, as each suggestion's own command."""
    server.accepted += 1
    server.status.report(Status(State.READY, "A suggestion was accepted.", document=uri))


async def restart(server: SnedServer) -> None:
    """Closes all models; each is opened again when it is next needed."""
    server.suggesting.forget_failures()
    for session in server.sessions.all():
        session.restart()
    server.status.report(Status(State.READY, "The models are closed; the next request opens them again."))


def switch_model(server: SnedServer, name: str | None) -> str | None:
    """Takes another model for all suggestions; null is the one chosen by language. Its full name comes back."""
    try:
        chosen = server.sessions.use_model(name)
    except SnedError as error:
        server.status.warn(str(error))
        return None
    server.settings = server.settings.model_copy(update={"model": name})
    server.status.report(Status(State.READY, f"{chosen or 'The model of each language'} is used from now on.", chosen))
    return chosen


def status(server: SnedServer) -> dict[str, Any]:
    """What the server is doing, and the models that are open."""
    return {
        "status": asdict(server.status.last) if server.status.last is not None else None,
        "sessions": [
            {
                "folder": str(session.root) if session.root is not None else None,
                "language": session.language.value if session.language is not None else None,
                "model": session.selection.name if session.selection is not None else None,
                "open": session.is_open,
                "evaluatedTokens": session.evaluated_tokens,
            }
            for session in server.sessions.all()
        ],
        "shown": server.shown,
        "accepted": server.accepted,
    }
