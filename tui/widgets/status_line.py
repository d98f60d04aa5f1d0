"""One line that says what the model does, and how much of its context is used."""

from dataclasses import dataclass

from textual.content import Content
from textual.widgets import Static

from assistant.chat.visible import visible_line

_BAR = 10


@dataclass(frozen=True, slots=True)
class Shown:
    """What the line shows.

    Attributes:
        doing: what is being done.
        fraction: how far that is, 0 to 1; None shows no bar.
        model: the model's name; empty before it is known.
        used: tokens of the context that the conversation takes.
        context: tokens that the context has; 0 before that is known.
        rate: tokens a second of the last answer.
    """

    doing: str = "Starting"
    fraction: float | None = None
    model: str = ""
    used: int = 0
    context: int = 0
    rate: float = 0.0


class StatusLine(Static):
    """The line under the prompt."""

    DEFAULT_CSS = """
    StatusLine { height: 1; padding: 0 2; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self) -> None:
        """Says that the program starts."""
        super().__init__(_line(Shown()), id="status")
        self._shown = Shown()

    def show(self, shown: Shown) -> None:
        """Shows what is now."""
        if shown != self._shown:
            self._shown = shown
            self.update(_line(shown), layout=False)  # it is a line whatever it says


def _line(shown: Shown) -> Content:
    parts = [shown.doing]
    if shown.fraction is not None:
        filled = round(shown.fraction * _BAR)
        parts[0] += f" {'━' * filled}{'─' * (_BAR - filled)} {shown.fraction:.0%}"
    if shown.rate:
        parts.append(f"{shown.rate:.0f} tokens/s")
    if shown.context:
        parts.append(f"context {shown.used:,}/{shown.context:,} ({shown.used / shown.context:.0%})")
    if shown.model:
        parts.append(visible_line(shown.model))
    return Content(" · ".join(parts))
