"""What can be meant by what is being typed, above the prompt."""

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from assistant.chat.visible import visible_line


@dataclass(frozen=True, slots=True)
class Completion:
    """Something that may be meant.

    Attributes:
        text: what is put into the prompt.
        shown: what the list shows for it.
        remark: what it shows beside that.
    """

    text: str
    shown: str
    remark: str = ""


class Completions(OptionList, can_focus=False):
    """The list; it takes no focus, as the prompt has it."""

    DEFAULT_CSS = """
    Completions {
        height: auto;
        max-height: 8;
        display: none;
        border: none;
        padding: 0 1;
        text-wrap: nowrap;
        text-overflow: ellipsis;
        &.-textual-compact > .option-list--option { padding: 0 1; }
        background: $panel;
        scrollbar-size-vertical: 1;
    }
    """

    class Chosen(Message):
        """One was chosen with the mouse."""

    def __init__(self) -> None:
        """Nothing is shown."""
        super().__init__(id="completions", compact=True)
        self._completions: Sequence[Completion] = ()

    @property
    def chosen(self) -> Completion | None:
        """What is highlighted; None when nothing is shown."""
        return self._completions[self.highlighted] if self.display and self.highlighted is not None else None

    def show(self, completions: Sequence[Completion]) -> None:
        """Shows these, the first highlighted; nothing hides the list."""
        if completions == self._completions and self.display:
            return
        self._completions = completions
        self.clear_options()
        self.add_options(Option(_line(each)) for each in completions)
        self.display = bool(completions)
        if completions:
            self.highlighted = 0

    def move(self, step: int) -> None:
        """Highlights the next (1) or the previous (-1) one, from end to end."""
        if self._completions:
            self.highlighted = ((self.highlighted or 0) + step) % len(self._completions)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Takes the one that was clicked on."""
        event.stop()
        self.post_message(self.Chosen())

    def on_click(self, event: events.Click) -> None:
        """Leaves the focus where it is."""
        event.stop()


def _line(completion: Completion) -> Content:
    remark = f"  {visible_line(completion.remark)}" if completion.remark else ""
    return Content.assemble(visible_line(completion.shown), (remark, "dim"))
