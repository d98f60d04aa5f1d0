"""The sessions there are: found by their words, opened, renamed, pinned, exported, deleted."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, OptionList
from textual.widgets.option_list import Option

from assistant.chat.visible import visible_line
from tui.history.store import History
from tui.history.types import Found

if TYPE_CHECKING:
    from textual.widget import Widget

_PROJECT_WIDTH = 16
Action = Literal["open", "rename", "delete", "export"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be done with a session; `message` is the one that was found in it, `title` its new one."""

    action: Action
    session: int
    message: int | None = None
    title: str = ""


class SessionList(ModalScreen[Choice | None]):
    """Gives what is to be done; None when nothing is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", id="sessions.leave"),
        Binding("down", "move(1)", "Next", show=False, id="sessions.down"),
        Binding("up", "move(-1)", "Previous", show=False, id="sessions.up"),
        Binding("f2", "rename", "Rename", id="sessions.rename", priority=True),
        Binding("ctrl+t", "pin", "Pin", id="sessions.pin", priority=True),
        Binding("ctrl+x", "choose('export')", "Export", id="sessions.export", priority=True),
        Binding("ctrl+d", "choose('delete')", "Delete", id="sessions.delete", priority=True),
        Binding("ctrl+g", "everywhere", "All projects", id="sessions.everywhere", priority=True),
    ]
    DEFAULT_CSS = """
    SessionList {
        align: center middle;
        & > Vertical { width: 96%; max-width: 110; height: 90%; border: round $accent; background: $surface; }
        Input { padding: 0 1; margin-bottom: 1; background: $surface; }
        OptionList {
            height: 1fr;
            border: none;
            background: $surface;
            text-wrap: nowrap;  /* what comes first tells sessions apart; the end of a title does not */
            text-overflow: ellipsis;
        }
    }
    """

    def __init__(self, history: History, project: Path, words: str = "") -> None:
        """Lists the sessions about a project."""
        super().__init__()
        self._history, self._project, self._words = history, project, words
        self._everywhere = False
        self._found: list[Found] = []
        self._renamed: Found | None = None

    def compose(self) -> "Iterator[Widget]":
        """Words to search for, and the sessions that have them."""
        with Vertical():
            yield Input(self._words, placeholder="Search in titles and messages", select_on_focus=False, compact=True)
            yield OptionList(compact=True)
            yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Shows the sessions."""
        self.query_one(OptionList).can_focus = False
        self.query_one(Input).focus()
        self.search(self._words)

    @on(Input.Changed)
    def changed(self, event: Input.Changed) -> None:
        """Searches as words are typed."""
        if self._renamed is None:
            self.search(event.value)

    @on(Input.Submitted)
    def submitted(self, event: Input.Submitted) -> None:
        """Opens the session that is highlighted, or gives it its new title."""
        if self._renamed is not None:
            found, self._renamed = self._renamed, None
            self._history.rename(found.session.id, event.value)
            self._ask_for_words()
        else:
            self.action_choose("open")

    def search(self, words: str) -> None:
        """Lists what has the words."""
        self._words = words
        self._found = self._history.search(words, None if self._everywhere else self._project)
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options(Option(self._line(each)) for each in self._found)
        if self._found:
            options.highlighted = 0

    def action_move(self, step: int) -> None:
        """Highlights the next or the previous one."""
        options = self.query_one(OptionList)
        if self._found:
            options.highlighted = ((options.highlighted or 0) + step) % len(self._found)

    def action_pin(self) -> None:
        """Pins the session, or no more."""
        if (found := self._highlighted()) is not None:
            self._history.pin(found.session.id, not found.session.pinned)
            self.search(self._words)

    def action_rename(self) -> None:
        """Takes a new title where words were typed."""
        if (found := self._highlighted()) is not None:
            self._renamed = found
            typed = self.query_one(Input)
            typed.placeholder = "The session's title"
            typed.value = found.session.title
            typed.cursor_position = len(typed.value)

    def action_everywhere(self) -> None:
        """Lists the sessions about all projects, or about this one alone."""
        self._everywhere = not self._everywhere
        self.search(self._words)

    def action_choose(self, action: Action) -> None:
        """Ends with what is to be done."""
        if (found := self._highlighted()) is not None:
            self.dismiss(Choice(action, found.session.id, found.message))

    def action_leave(self) -> None:
        """Ends with nothing, or leaves the title as it was."""
        if self._renamed is not None:
            self._renamed = None
            self._ask_for_words()
        else:
            self.dismiss(None)

    @on(OptionList.OptionSelected)
    def selected(self, event: OptionList.OptionSelected) -> None:
        """Opens what was clicked on."""
        found = self._found[event.option_index]
        self.dismiss(Choice("open", found.session.id, found.message))

    def _ask_for_words(self) -> None:
        typed = self.query_one(Input)
        typed.placeholder = "Search in titles and messages"
        typed.value = self._words
        self.search(self._words)

    def _highlighted(self) -> Found | None:
        place = self.query_one(OptionList).highlighted
        return self._found[place] if place is not None and place < len(self._found) else None

    def _line(self, found: Found) -> Content:
        session = found.session
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(session.changed))
        name = visible_line(Path(session.project).name)
        name = name if len(name) <= _PROJECT_WIDTH else f"{name[: _PROJECT_WIDTH - 1]}…"
        project = f"  {name:{_PROJECT_WIDTH}}" if self._everywhere else ""
        excerpt = f"\n    {visible_line(found.excerpt)}" if found.excerpt else ""
        return Content.assemble(
            ("★ " if session.pinned else "  ", "$text-warning"),
            (f"{when} {session.messages:>4} messages{project}  ", "dim"),
            visible_line(session.title),
            (excerpt, "$text-accent"),
        )
