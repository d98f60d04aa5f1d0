"""A model that is fetched or built, with how far that is."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import ProgressBar, Static

from assistant.chat.visible import visible_line
from tui.provisioning import Provisioning

if TYPE_CHECKING:
    from textual.widget import Widget


class Progress(ModalScreen[str | None]):
    """Gives None once the model is here, else why it is not; empty when the user stopped it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "stop", "Stop", id="progress.stop")]
    DEFAULT_CSS = """
    Progress {
        align: center middle;
        & > Vertical { width: 70; max-width: 96%; height: auto; border: round $accent; padding: 1 2; }
        & > Vertical { background: $surface; }
        ProgressBar { width: 100%; margin: 1 0; }
        Bar { width: 1fr; }
        .hint { color: $text-muted; }
    }
    """

    def __init__(self, arguments: tuple[str, ...]) -> None:
        """Progress of a `sned` command."""
        super().__init__()
        self._provisioning = Provisioning(arguments, self._heard)
        self._said = Static(Content(f"sned {visible_line(' '.join(arguments))}"))
        self._bar = ProgressBar(show_eta=False)

    def compose(self) -> "Iterator[Widget]":
        """What is being done, and how far it is."""
        with Vertical():
            yield self._said
            yield self._bar
            yield Static("Esc stops it; what was fetched stays for the next time.", classes="hint")

    def on_mount(self) -> None:
        """Begins."""
        self.run_worker(self._run())

    async def action_stop(self) -> None:
        """Stops it."""
        await self._provisioning.stop()

    async def _run(self) -> None:
        self.dismiss(await self._provisioning.run())

    def _heard(self, message: str, fraction: float | None) -> None:
        self._said.update(Content(visible_line(message)))
        self._bar.update(total=None if fraction is None else 1.0, progress=fraction or 0.0)
