"""The models that are here, to choose one for the session."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from assistant.chat.visible import visible_line
from tui.backend import ModelRow

if TYPE_CHECKING:
    from textual.widget import Widget

_LEGEND = "quality: perplexity over the base model's; - where not measured"


class ModelPicker(ModalScreen[str | None]):
    """Gives the name of the model that is chosen; None when none is."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Leave", id="models.leave")]
    DEFAULT_CSS = """
    ModelPicker {
        align: center middle;
        & > Vertical { width: 76; max-width: 96%; height: auto; max-height: 80%; border: round $accent; }
        & > Vertical { background: $surface; }
        OptionList { height: auto; max-height: 16; border: none; background: $surface; text-wrap: nowrap; }
        .head { padding: 0 1; color: $text-muted; text-wrap: nowrap; }
    }
    """

    def __init__(self, rows: Sequence[ModelRow], rates: dict[str, float], current: str) -> None:
        """Shows models, with the tokens a second that each was measured at here."""
        super().__init__()
        self._rows, self._rates, self._current = rows, rates, current

    def compose(self) -> "Iterator[Widget]":
        """A line for each model."""
        with Vertical():
            yield Static(
                Content(_columns("", "model", "language", "size", "zeros", "quality", "speed")), classes="head"
            )
            yield OptionList(*(Option(self._line(row), id=str(n)) for n, row in enumerate(self._rows)), compact=True)
            yield Static(Content(_LEGEND), classes="head")

    def on_mount(self) -> None:
        """Highlights the model that is in use."""
        options = self.query_one(OptionList)
        options.highlighted = next((n for n, row in enumerate(self._rows) if row.name == self._current), 0)
        options.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Takes the model."""
        self.dismiss(self._rows[event.option_index].name)

    def action_leave(self) -> None:
        """Chooses none."""
        self.dismiss(None)

    def _line(self, row: ModelRow) -> Content:
        rate = self._rates.get(row.name, 0.0)
        mark = "●" if row.name == self._current else "★" if row.default else " "
        zeros = "-" if row.sparsity is None else f"{row.sparsity:.0%}"
        quality = "-" if row.perplexity_ratio is None else f"{row.perplexity_ratio:.2f}"
        speed = f"{rate:.0f} tok/s" if rate else "-"
        language, size = row.language or "all", f"{row.size / 1e6:,.0f} MB"
        return Content(_columns(mark, visible_line(row.name), language, size, zeros, quality, speed))


def _short(name: str) -> str:
    """A name in 24 characters: sub-models of one base differ at the end."""
    return name if len(name) <= 24 else f"{name[:8]}…{name[-15:]}"


def _columns(*values: str) -> str:
    mark, name, language, size, zeros, quality, speed = values
    return f"{mark:1} {_short(name):24} {language[:10]:10} {size:>9} {zeros:>5} {quality:>7} {speed:>9}"
