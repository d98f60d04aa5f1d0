"""A change to a file, seen before it is made."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from assistant.chat.visible import visible, visible_line
from tui.code.changes import Change

if TYPE_CHECKING:
    from textual.widget import Widget

_STYLES = {"+": "$text-success", "-": "$text-error", "@": "$text-accent"}


class Review(ModalScreen[bool]):
    """Shows what is to be changed; true when the user wants it so."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "answer(True)", "Apply", id="review.apply"),
        Binding("n,escape", "answer(False)", "Leave", id="review.leave"),
    ]
    DEFAULT_CSS = """
    Review {
        align: center middle;
        & > Vertical { width: 96%; height: 90%; border: round $accent; background: $surface; }
        #diff { height: 1fr; padding: 0 1; }
        #diff > Static { width: auto; min-width: 100%; }
        #about { padding: 0 1; height: auto; }
    }
    """

    def __init__(self, change: Change, project: Path) -> None:
        """A review of one change, of a file of the project or of another."""
        super().__init__()
        root = project.resolve()
        inside = change.path.is_relative_to(root)
        self._file = (change.path.relative_to(root) if inside else change.path).as_posix()
        self._change = change

    def compose(self) -> "Iterator[Widget]":
        """What is changed where, and the difference."""
        lines = self._change.diff.splitlines()
        added = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
        removed = sum(line.startswith("-") and not line.startswith("---") for line in lines)
        what = "New file" if self._change.before is None else "Change"
        with Vertical():
            about = f"{what} {visible_line(self._file)}  +{added} -{removed}"
            yield Static(Content(about), id="about")
            with VerticalScroll(id="diff") as scroll:
                scroll.can_focus = True
                yield Static(Content("\n").join([_line(line) for line in lines]))
            yield Footer(show_command_palette=False)

    def action_answer(self, answer: bool) -> None:
        """Ends with the user's answer."""
        self.dismiss(answer)


def _line(line: str) -> Content:
    return Content.styled(visible(line), _STYLES.get(line[:1], ""))
