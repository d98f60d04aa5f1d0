"""All commands and keys."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.commands.command import Command

if TYPE_CHECKING:
    from textual.widget import Widget

_ABOUT = (
    "@ in a message names files, folders and, after #, what files define; the model reads them. "
    "/ begins a command. Keys can be changed in chat.toml beside the settings file: [keys] and lines of "
    'NAME = "key", with the names below.'
)


class Help(ModalScreen[None]):
    """Shows what can be done."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,f1", "app.pop_screen", "Leave", id="help.leave")]
    DEFAULT_CSS = """
    Help {
        align: center middle;
        & > Vertical { width: 96%; max-width: 100; height: 90%; border: round $accent; background: $surface; }
        VerticalScroll { padding: 0 1; }
        #listed { text-wrap: nowrap; }
    }
    """

    def __init__(self, commands: Sequence[Command], keys: Sequence[tuple[str, str, str]]) -> None:
        """Shows commands, and keys as name, key and what it does."""
        super().__init__()
        self._commands, self._keys = commands, keys

    def compose(self) -> "Iterator[Widget]":
        """The commands, then the keys."""
        parts: list[Content | str | tuple[str, str]] = [("\nCommands\n", "bold")]
        for command in self._commands:
            usage = f"/{command.name} {command.arguments}"
            parts += [(f"  {usage:22}", "$text-accent"), f" {command.help}\n"]
        parts.append(("\nKeys\n", "bold"))
        for name, key, meaning in self._keys:
            parts += [(f"  {key:22}", "$text-accent"), f" {meaning:24}", (f" {name}\n", "$text-muted")]
        with Vertical(), VerticalScroll() as scroll:
            scroll.can_focus = True
            yield Static(Content(_ABOUT))
            yield Static(Content.assemble(*parts), id="listed")
