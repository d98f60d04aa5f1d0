"""Where the user writes: enter sends, and the list of completions has its keys while it is shown."""

import time
from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget
from textual.widgets import TextArea

from assistant.chat.visible import visible


class Prompt(TextArea):
    """The message that is being written."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "Send", id="prompt.send"),
        Binding("ctrl+j,shift+enter,alt+enter", "new_line", "New line", id="prompt.new_line"),
        Binding("tab", "complete", "Complete", show=False, id="prompt.complete"),
        Binding("pageup", "read(-1)", "Scroll up", show=False, id="prompt.scroll_up"),
        Binding("pagedown", "read(1)", "Scroll down", show=False, id="prompt.scroll_down"),
    ]
    DEFAULT_CSS = """
    Prompt {
        height: auto;
        max-height: 10;
        min-height: 3;
        border: round $primary 60%;
        padding: 0 1;
        background: $background;
        scrollbar-size-vertical: 1;
        &:focus { border: round $primary; }
    }
    """

    class Sent(Message):
        """The user has sent what they wrote."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        """Empty."""
        super().__init__(
            id="prompt",
            soft_wrap=True,
            show_line_numbers=False,
            tab_behavior="focus",
            placeholder="Ask about the project · @ attaches · / commands",
            highlight_cursor_line=False,
        )
        # What page keys scroll: a message is seldom longer than the prompt is high, a conversation always.
        self.read: Widget | None = None
        # Takes up, down, tab and enter for a list of completions, if one is shown; whether it has.
        self.completer: Callable[[str], bool] = lambda key: False
        self.struck_at = 0.0  # when the last key was, by the monotonic clock

    @property
    def before_cursor(self) -> str:
        """What stands before the cursor."""
        return self.get_text_range((0, 0), self.cursor_location)

    async def on_paste(self, event: events.Paste) -> None:
        """Takes what is pasted, without what would steer the terminal."""
        event.stop()
        event.prevent_default()
        self.replace(visible(event.text), *self.selection)

    def action_send(self) -> None:
        """Takes the completion that is chosen, or sends the message."""
        if not self.completer("enter") and (text := self.text.strip("\n")).strip():
            self.text = ""  # what is typed from now on belongs to the next message
            self.post_message(self.Sent(text))

    def action_new_line(self) -> None:
        """Begins another line."""
        self.insert("\n")

    def action_complete(self) -> None:
        """Takes the completion that is chosen; else goes on to the messages."""
        if not self.completer("tab"):
            self.screen.focus_next()

    def action_read(self, direction: int) -> None:
        """Scrolls the conversation by a screen, up (-1) or down (1)."""
        if self.read is not None:
            self.read.scroll_relative(y=direction * max(1, self.read.size.height - 2), animate=False)

    async def on_key(self, event: events.Key) -> None:
        """Does at once what keys are bound to: an action of the app comes after keys that are typed later."""
        self.struck_at = time.monotonic()
        if event.is_printable:
            return
        if event.key in {"up", "down"} and self.completer(event.key):
            event.stop()
            event.prevent_default()
            return
        if (bound := self.screen.active_bindings.get(event.key)) is not None and bound.node is self:
            action = {"send": self.action_send, "new_line": self.action_new_line, "complete": self.action_complete}
            if bound.binding.action in action:
                event.stop()
                event.prevent_default()
                action[bound.binding.action]()
        elif event.key == "enter":  # bound to nothing: it is not to begin a line either
            event.prevent_default()

    def replace_before_cursor(self, length: int, text: str) -> None:
        """Puts `text` in the place of the last characters before the cursor, which are on its line."""
        row, column = self.cursor_location
        self.replace(text, (row, column - length), (row, column))

    def write(self, text: str) -> None:
        """Puts `text` in the place of what is there, and the cursor at its end."""
        self.text = visible(text)
        self.move_cursor(self.document.end)
