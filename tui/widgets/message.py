"""One message on the screen."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from assistant.chat.types import Role
from assistant.chat.visible import visible, visible_line
from tui.history.types import State, StoredMessage

if TYPE_CHECKING:
    from textual.widget import Widget
    from textual.widgets._markdown import MarkdownStream

    from tui.widgets.answer import AnswerText


class MessageView(Vertical, can_focus=True):
    """A message; focused, its keys act on it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "do('edit')", "Edit", id="message.edit"),
        Binding("r", "do('retry')", "Regenerate", id="message.retry"),
        Binding("c", "do('copy')", "Copy", id="message.copy"),
        Binding("left", "do('previous')", "Earlier branch", id="message.previous"),
        Binding("right", "do('next')", "Later branch", id="message.next"),
    ]
    DEFAULT_CSS = """
    MessageView {
        height: auto;
        padding: 0 1;
        border-left: blank;
        & > .head { height: auto; }
        & > .foot { color: $text-muted; height: auto; padding: 0 0 1 0; }
        & > .said { padding: 0 0 1 0; height: auto; }
        &:focus { border-left: thick $accent; }
    }
    """

    class Wanted(Message):
        """Something is to be done with a message.

        Attributes:
            number: the message's.
            action: what: edit, retry, copy, previous or next.
        """

        def __init__(self, number: int, action: str) -> None:
            super().__init__()
            self.number = number
            self.action = action

    def __init__(self, shown: StoredMessage, *, is_new: bool = False) -> None:
        """Shows a message as it is now, or one that is about to be written."""
        super().__init__(classes=shown.role.value)
        self.shown = shown
        self.is_new = is_new
        self._head = Static(self._heading(), classes="head")
        self._foot = Static(classes="foot")
        self._foot.display = False
        self._answer: AnswerText | None = None
        self._stream: MarkdownStream | None = None

    def compose(self) -> "Iterator[Widget]":
        """Who speaks, what they say, and what is known of it."""
        if self.shown.role is Role.USER:
            said = Content(visible(self.shown.text))
            yield Static(Content("\n").join([self._heading(), said]), classes="said")
        else:
            from tui.widgets.answer import AnswerText

            yield self._head
            self._answer = AnswerText()
            yield self._answer
            yield self._foot

    async def load(self) -> None:
        """Shows an answer's text: once it is mounted, as until then nothing knows how high it is."""
        if self._answer is not None and self.shown.text:
            await self._answer.update(visible(self.shown.text))
            self._answer.number_blocks()
        if self._answer is not None and not self.is_new:
            self.set_foot(_footing(self.shown))

    async def write(self, text: str) -> None:
        """Adds to the answer what was written since."""
        assert self._answer is not None
        if self._stream is None:
            self._answer.writing = True
            self._stream = self._answer.get_stream(self._answer)
        await self._stream.write(text)

    async def finish(self, shown: StoredMessage) -> None:
        """Shows the whole answer, as it was written or stopped."""
        assert self._answer is not None
        self.shown, self.is_new = shown, False
        if self._stream is not None:
            await self._stream.stop()
            self._stream = None
        self._answer.writing = False
        await self._answer.update(visible(shown.text))
        self._answer.number_blocks()
        self.set_foot(_footing(shown))
        self._head.update(self._heading())

    @property
    def parts(self) -> "list[Widget]":
        """What the answer's text is made of, from its beginning."""
        return self._answer.parts if self._answer is not None else []

    @property
    def is_writing(self) -> bool:
        """Whether more of it is to come."""
        return self.is_new

    def set_foot(self, text: str) -> None:
        """What is said under the message; nothing when empty."""
        self._foot.update(Content(text))
        self._foot.display = bool(text)

    def action_do(self, action: str) -> None:
        """Asks for something to be done with this message."""
        self.post_message(self.Wanted(self.shown.id, action))

    def _heading(self) -> Content:
        user = self.shown.role is Role.USER
        parts: list[Content | tuple[str, str]] = [
            ("You", "bold $text-accent") if user else ("Assistant", "bold $text-primary")
        ]
        if len(self.shown.branches) > 1:
            place = self.shown.branches.index(self.shown.id) + 1
            parts.append((f"  ◂ {place}/{len(self.shown.branches)} ▸", "$text-muted"))
        if self.shown.attachments:
            names = ", ".join(visible_line(each.name) for each in self.shown.attachments)
            parts.append((f"  with {names}", "$text-muted"))
        return Content.assemble(*parts)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _footing(shown: StoredMessage) -> str:
    """What is known of an answer: why it is unfinished, what the model was not shown, what it cost."""
    said = []
    if shown.state is State.STOPPED:
        said.append("Stopped.")
    elif shown.state is State.WRITING:
        said.append("Unfinished: the program ended while it was written.")
    elif shown.state is State.FAILED:
        said.append("Failed.")
    if shown.details.notice:
        said.append(visible_line(shown.details.notice))
    if shown.details.completion_tokens and shown.details.rate:
        said.append(f"{_counted(shown.details.completion_tokens, 'token')}, {shown.details.rate:.0f} tokens/s")
    return " ".join(said)
