"""A question with two answers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from assistant.chat.visible import visible

if TYPE_CHECKING:
    from textual.widget import Widget


class Question(ModalScreen[bool]):
    """Asks; true when the user agrees."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", id="question.yes"),
        Binding("n,escape", "answer(False)", "No", id="question.no"),
        Binding("left,right", "app.focus_next", "Other", show=False),
    ]
    DEFAULT_CSS = """
    Question {
        align: center middle;
        & > Vertical { width: 64; max-width: 96%; height: auto; border: round $accent; padding: 1 2; }
        & > Vertical { background: $surface; }
        Horizontal { height: auto; align-horizontal: right; margin-top: 1; }
        Button { margin-left: 2; }
    }
    """

    def __init__(self, question: str, agree: str, refuse: str = "Not now") -> None:
        """A question, with what its answers are called."""
        super().__init__()
        self._words = (question, agree, refuse)

    def compose(self) -> "Iterator[Widget]":
        """The question and its answers."""
        question, agree, refuse = self._words
        with Vertical():
            yield Static(Content(visible(question)))
            with Horizontal():
                yield Button(agree, id="agree", variant="primary", compact=True)
                yield Button(refuse, id="refuse", compact=True)

    @on(Button.Pressed)
    def pressed(self, event: Button.Pressed) -> None:
        """Takes the answer of a button."""
        self.dismiss(event.button.id == "agree")

    def action_answer(self, answer: bool) -> None:
        """Ends with the user's answer."""
        self.dismiss(answer)
