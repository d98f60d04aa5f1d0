"""Commands on sessions and their messages."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.chat.types import Role
from assistant.errors import UsageError
from tui.commands.command import Command
from tui.history.types import Session

if TYPE_CHECKING:
    from tui.app import ChatApp


async def new(app: "ChatApp", arguments: str) -> None:
    """Begins another session."""
    await app.action_new()


async def sessions(app: "ChatApp", arguments: str) -> None:
    """Lists the sessions, those with some words in them."""
    app.dialogs.sessions(arguments)


async def rename(app: "ChatApp", arguments: str) -> None:
    """Gives the session a title."""
    session = _session(app)
    if not arguments.strip():
        raise UsageError("/rename needs a title: /rename TITLE.")
    app.talk.history.rename(session.id, arguments)
    app.show_title()


async def pin(app: "ChatApp", arguments: str) -> None:
    """Has the session stand before the others, or no more."""
    session = _session(app)
    app.talk.history.pin(session.id, not session.pinned)
    app.tell("The session stands first now." if not session.pinned else "The session is no longer pinned.")


async def delete(app: "ChatApp", arguments: str) -> None:
    """Deletes the session, after a question."""
    session = _session(app)
    app.dialogs.delete(session)


async def export(app: "ChatApp", arguments: str) -> None:
    """Writes the session to a new Markdown file."""
    from assistant.durable import write_text
    from tui.history.exporting import to_markdown

    session = _session(app)
    name = arguments.strip() or f"chat-{_slug(session.title)}.md"
    path = (app.project / Path(name).expanduser()).resolve()
    if path.exists():
        raise UsageError(f"{path} is there already; give another name: /export FILE.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, to_markdown(session, app.talk.branch))
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; give another name.") from error
    app.tell(f"Written to {path}.")


async def retry(app: "ChatApp", arguments: str) -> None:
    """Has the last question answered once more."""
    if app.talk.last(Role.USER) is None:
        raise UsageError("Nothing has been asked yet.")
    await app.action_retry()


async def edit(app: "ChatApp", arguments: str) -> None:
    """Puts the last question into the prompt."""
    last = app.talk.last(Role.USER)
    if last is None:
        raise UsageError("Nothing has been asked yet.")
    app.speaking.edit(last)


def _session(app: "ChatApp") -> Session:
    session = app.talk.session
    if session is None:
        raise UsageError("Nothing has been said in this session yet.")
    return session


def _slug(title: str) -> str:
    return re.sub(r"[^\w]+", "-", title.lower()).strip("-")[:40] or "session"


COMMANDS = (
    Command("new", "", "begin another session", new),
    Command("clear", "", "begin another session; this one is kept", new),
    Command("sessions", "[words]", "open, search, rename, delete sessions", sessions),
    Command("rename", "TITLE", "give the session a title", rename, needs_arguments=True),
    Command("pin", "", "have the session stand first, or no more", pin),
    Command("delete", "", "delete the session", delete),
    Command("export", "[FILE]", "write the session to a Markdown file", export),
    Command("retry", "", "answer the last question once more", retry),
    Command("edit", "", "edit the last question and send it again", edit),
)
