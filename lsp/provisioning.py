"""Fetching and building models from the editor: in a process of its own, with progress that the user can cancel."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from lsprotocol import types

from assistant.catalog import load_catalog
from assistant.languages import Language
from assistant.session import Session
from assistant.store import Store
from lsp.progress import Progress
from lsp.server import SnedServer
from lsp.status import State, Status

_SNED = (sys.executable, "-c", "import sys; from assistant.cli.app import main; sys.exit(main())")
_MACHINE_READABLE = ("--json", "--progress", "json")
_NOT_NOW = "Not now"


async def fetch(server: SnedServer) -> bool:
    """Fetches the base model; whether it is here then comes back."""
    return await _run(server, State.FETCHING, "Fetching the base model", ["fetch", *_MACHINE_READABLE])


async def fetch_for_project(server: SnedServer, root: Path) -> bool:
    """Fetches a published sub-model for the project in a folder, or the base model; whether it is here comes back."""
    arguments = ["fetch", "--project", str(root), *_MACHINE_READABLE]
    return await _run(server, State.FETCHING, "Fetching a model", arguments)


async def fetch_published(server: SnedServer, language: Language) -> bool:
    """Fetches a published sub-model for a language; whether it is here then comes back."""
    arguments = ["fetch", "--language", language.value, *_MACHINE_READABLE]
    return await _run(server, State.FETCHING, f"Fetching the {language.label} sub-model", arguments)


async def build(server: SnedServer, uri: str) -> bool:
    """Builds the sub-model for a document's language and folder; whether it is here then comes back."""
    view = server.view(uri)
    session = server.session_of(view) if view is not None else None
    if session is None or session.root is None or session.language is None:
        server.status.warn(f"{uri} is in no folder and language that a sub-model can be built for.")
        return False
    arguments = ["build", str(session.root), "--language", session.language.value, *_MACHINE_READABLE]
    return await _run(server, State.BUILDING, f"Building the {session.language.label} sub-model", arguments)


async def offer_missing(server: SnedServer, session: Session, uri: str) -> None:
    """Asks the user, once a session, whether to get the model that is missing for it."""
    if session in server.offered or server.settings.offer_models == "never":
        return
    offer = _offer(server, session, uri)
    if offer is None:
        return
    server.offered.add(session)
    question, actions = offer
    choice = await _choice(server, question, tuple(actions))
    if choice is not None:
        await actions[choice]()


def _offer(
    server: SnedServer, session: Session, uri: str
) -> tuple[str, dict[str, Callable[[], Awaitable[bool]]]] | None:
    """What is missing for a session, in a sentence, and what can be done about it, by the words it is offered with."""
    published, language, root = bool(server.machine.published), session.language, session.root
    if session.selection is None:
        name = missing_base(server)
        if name is None:
            return None
        if not published or language is None or root is None:
            return f"The base model {name} is not here yet.", {"Fetch it": lambda: fetch(server)}
        question = f"There is no model for {language.label} here yet; one that is published goes before the base model."
        return question, {"Fetch it": lambda: fetch_for_project(server, root)}
    if session.selection.language is None and language is not None and root is not None:
        question = f"There is no sub-model for {language.label} yet; the base model completes meanwhile."
        actions: dict[str, Callable[[], Awaitable[bool]]] = {"Build it": lambda: build(server, uri)}
        if published:
            actions = {"Fetch a published one": lambda: fetch_published(server, language), **actions}
        return question, actions
    return None


def missing_base(server: SnedServer) -> str | None:
    """The name of the base model in use, if it is not in the store."""
    catalog = load_catalog(server.machine.catalog)
    model = catalog.default if server.machine.base is None else catalog.find(server.machine.base)
    return model.name if Store(server.machine.home).base(model.name) is None else None


async def _choice(server: SnedServer, question: str, actions: tuple[str, ...]) -> str | None:
    """Which of the actions the user chooses, if any."""
    choices = [types.MessageActionItem(action) for action in (*actions, _NOT_NOW)]
    answer = await server.window_show_message_request_async(
        types.ShowMessageRequestParams(types.MessageType.Info, question, choices)
    )
    return answer.title if answer is not None and answer.title in actions else None


async def _run(server: SnedServer, state: State, title: str, arguments: Sequence[str]) -> bool:
    """Runs a command of ours, told as progress; every session chooses its model anew when it has succeeded."""
    server.status.report(Status(state, f"{title}."))
    async with Progress(server, title) as progress:
        process = await asyncio.create_subprocess_exec(*_SNED, *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        try:
            last_words = await _watched(process, progress)
        finally:
            if process.returncode is None:
                process.terminate()  # what it fetched stays for the next time, what it built half is not seen
                await process.wait()
    if progress.cancelled:
        server.status.report(Status(State.READY, f"{title} was cancelled."))
    elif process.returncode:
        server.status.warn(f"{title} failed: {last_words.removeprefix('sned: ')}")
        server.status.report(Status(State.READY, f"{title} failed."))
    else:
        server.status.report(Status(State.READY, f"{title} is done."))
        for session in server.sessions.all():
            session.restart()
    return process.returncode == 0 and not progress.cancelled


async def _watched(process: Process, progress: Progress) -> str:
    """Reports what a process says until it ends or the user cancels; its last words besides progress come back."""
    reading = asyncio.create_task(_reported(process, progress))
    either: list[asyncio.Future[Any]] = [reading, progress.cancellation]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if progress.cancelled:
        reading.cancel()
        return ""
    return await reading


async def _reported(process: Process, progress: Progress) -> str:
    assert process.stderr is not None
    assert process.stdout is not None
    answer = asyncio.create_task(process.stdout.read())  # nothing waits for a full pipe
    last_words = ""
    async for line in process.stderr:
        text = line.decode(errors="replace").strip()
        if (told := _as_progress(text)) is not None:
            progress.report(*told)
        elif text:
            last_words = text
            progress.report(text)
    await answer
    await process.wait()
    return last_words


def _as_progress(line: str) -> tuple[str, float | None] | None:
    """The message and the fraction of a line of progress; None for any other line."""
    if not line.startswith("{"):
        return None
    try:
        told = json.loads(line)
        return told["message"], told["fraction"]
    except (ValueError, KeyError):
        return None
