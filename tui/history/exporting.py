"""A session as a Markdown document."""

from collections.abc import Iterable
from datetime import datetime

from assistant.chat.types import Role
from assistant.chat.visible import visible
from tui.history.types import Session, State, StoredMessage

_SPEAKER = {Role.USER: "You", Role.ASSISTANT: "Assistant", Role.SYSTEM: "System"}


def to_markdown(session: Session, messages: Iterable[StoredMessage]) -> str:
    """The branch as Markdown: title, project and settings, then each message with what was attached to it."""
    changed = datetime.fromtimestamp(session.changed).astimezone()
    parts = [f"# {session.title}", f"Project `{session.project}`, {changed:%Y-%m-%d %H:%M}."]
    if session.settings.system:
        parts += ["## System", session.settings.system]
    for message in messages:
        model = f" ({message.details.model})" if message.details.model else ""
        parts.append(f"## {_SPEAKER[message.role]}{model}")
        parts += [
            f"<details><summary>{_escaped(each.name)}</summary>\n\n{each.text}\n\n</details>"
            for each in message.attachments
        ]
        parts.append(_with_closed_fences(message.text))
        if message.state is not State.WHOLE:
            parts.append("*(unfinished)*")
    # Whoever prints the file on a terminal runs nothing of it either.
    return visible("\n\n".join(part for part in parts if part)) + "\n"


def _escaped(name: str) -> str:
    return name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _with_closed_fences(text: str) -> str:
    """The text with the fence closed that it ends in: what comes after it is not code."""
    fence = ""
    for line in text.splitlines():
        stripped = line.strip()
        if fence:
            if stripped.startswith(fence) and not stripped.strip(fence[0]):
                fence = ""
        elif stripped.startswith(("```", "~~~")):
            fence = stripped[: len(stripped) - len(stripped.lstrip(stripped[0]))]
    return f"{text}\n{fence}" if fence else text
