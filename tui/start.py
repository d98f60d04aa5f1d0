"""How the chat begins: the terminal, what was piped in, preferences."""

import os
import sys
from dataclasses import replace
from pathlib import Path

from assistant.cli.piped import read_piped
from assistant.errors import UsageError
from tui import memory
from tui.opening import Opening
from tui.preferences import Preferences, load_preferences, preferences_file


def start(project: Path, opening: Opening, *, theme: str | None = None, inline: bool = False) -> int:
    """Runs the chat about a project until the user leaves it; the exit status comes back.

    `theme` goes before the user's preference; `inline` is under the shell's prompt, not on a screen of its own.

    Raises:
        UsageError: there is no terminal, or a preference is not usable.
    """
    if not sys.stdout.isatty():
        raise UsageError("There is no terminal to chat in; give a question with --prompt.")
    if not sys.stderr.isatty():  # Textual draws there
        raise UsageError("The chat is drawn on standard error, which is not a terminal; leave out what redirects it.")
    preferences = checked(load_preferences(theme))
    opening = replace(opening, piped=_take_piped())
    memory.begin()
    from tui.app import ChatApp

    app = ChatApp(project.resolve(), preferences, opening=opening)
    app.run(inline=inline)
    return app.return_code or 0


def checked(preferences: Preferences) -> Preferences:
    """The preferences, if their theme and the names of their keys are known.

    Raises:
        UsageError: they are not.
    """
    if preferences == Preferences():  # nothing is to be checked, and the first paint waits for no import
        return preferences
    from textual.theme import BUILTIN_THEMES

    if preferences.theme not in BUILTIN_THEMES:
        known = ", ".join(["dark", "light", *sorted(BUILTIN_THEMES)])
        raise UsageError(f"There is no theme {preferences.theme!r}; there are {known}.")
    if preferences.keys:
        from difflib import get_close_matches

        from tui.keys import named_keys

        names = [name for name, _, _ in named_keys({})]
        for name in preferences.keys:
            if name not in names:
                near = get_close_matches(name, names, 1)
                advice = f"did you mean {near[0]}?" if near else "F1 in the chat lists them."
                raise UsageError(f"There is no key called {name!r} in {preferences_file()}; {advice}")
    return preferences


def _take_piped() -> bytes | None:
    """What was piped in; keys then come from the terminal itself."""
    if (piped := read_piped()) is None:
        return None
    try:
        terminal = os.open("/dev/tty" if os.name != "nt" else "CONIN$", os.O_RDWR)
    except OSError:
        raise UsageError("There is no terminal to take keys from; give a question with --prompt.") from None
    os.dup2(terminal, 0)
    os.close(terminal)
    return piped
