"""How the chat begins: the terminal, what was piped in, preferences."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import UsageError
from tui.preferences import load_preferences


@dataclass(frozen=True, slots=True)
class Start:
    """How the chat is begun.

    Attributes:
        project: the folder that is talked about.
        model: the model's name; None chooses by the project's language.
        system: the system prompt; None is the program's own.
        files: what to read with the first message.
        diff: whether to read the project's changes with it.
        theme: `dark`, `light` or the name of a theme of Textual's; None is the user's preference.
        inline: under the shell's prompt, instead of on a screen of its own.
        resume: goes on with the project's last session.
    """

    project: Path
    model: str | None = None
    system: str | None = None
    files: tuple[Path, ...] = ()
    diff: bool = False
    theme: str | None = None
    inline: bool = False
    resume: bool = False


def start(begun: Start) -> int:
    """Runs the chat until the user leaves it; the exit status comes back.

    Raises:
        UsageError: there is no terminal, or a preference is not usable.
    """
    if not sys.stdout.isatty():
        raise UsageError("There is no terminal to chat in; give a question with --prompt.")
    preferences = load_preferences(begun.theme)
    piped = _take_piped()
    from tui.app import ChatApp

    app = ChatApp(begun.project.resolve(), preferences, resume=begun.resume)
    if piped is not None:
        app.log(len(piped))
    app.run(inline=begun.inline)
    return app.return_code or 0


def _take_piped() -> bytes | None:
    """What was piped in; keys then come from the terminal itself."""
    if sys.stdin is None or sys.stdin.isatty():
        return None
    piped = sys.stdin.buffer.read()
    try:
        terminal = os.open("/dev/tty" if os.name != "nt" else "CONIN$", os.O_RDWR)
    except OSError:
        raise UsageError("There is no terminal to take keys from; give a question with --prompt.") from None
    os.dup2(terminal, 0)
    os.close(terminal)
    return piped
