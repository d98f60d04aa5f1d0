"""Commands on the screen and the program."""

from typing import TYPE_CHECKING

from assistant.errors import UsageError
from tui.commands.command import Command
from tui.preferences import THEMES

if TYPE_CHECKING:
    from tui.app import ChatApp


async def theme(app: "ChatApp", arguments: str) -> None:
    """Takes a theme, or turns from dark to light and back."""
    name = arguments.strip()
    if not name:
        app.theme = THEMES["light" if app.current_theme.dark else "dark"]
        return
    chosen = THEMES.get(name, name)
    if chosen not in app.available_themes:
        raise UsageError(f"There is no theme {name!r}; /theme and a space lists them.")
    app.theme = chosen


async def show_help(app: "ChatApp", arguments: str) -> None:
    """Shows all commands and keys."""
    app.dialogs.help()


async def leave(app: "ChatApp", arguments: str) -> None:
    """Leaves the program."""
    await app.action_quit()


COMMANDS = (
    Command(
        "theme",
        "[NAME]",
        "dark, light, or a theme by name",
        theme,
        choices=lambda app: [*THEMES, *sorted(app.available_themes)],
    ),
    Command("help", "", "all commands and keys", show_help),
    Command("quit", "", "leave", leave),
)
