"""The chat app: what is on the screen, and what its keys do."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from textual import on
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Static

from assistant.chat.types import Role
from assistant.chat.visible import visible_line
from tui.answering import Answering
from tui.backend import Backend, LocalBackend, MakeBackend, Needed
from tui.history.errors import HistoryError
from tui.history.store import History
from tui.models import Models
from tui.preferences import Preferences
from tui.talk import Talk
from tui.widgets.message import MessageView
from tui.widgets.prompt import Prompt
from tui.widgets.status_line import Shown, StatusLine
from tui.widgets.transcript import Transcript

if TYPE_CHECKING:
    from tui.history.types import StoredMessage

T = TypeVar("T")


class ChatApp(App[None]):
    """Talks with a model about a project."""

    TITLE = "sned chat"
    CSS = """
    Screen { layout: vertical; }
    Screen:inline { height: 24; max-height: 80vh; border: none; }
    ToastRack { dock: top; align: right top; }
    #title { height: 1; padding: 0 2; background: $panel; text-overflow: ellipsis; text-wrap: nowrap; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "Stop", id="stop"),
        Binding("ctrl+r", "retry", "Regenerate", id="retry"),
        Binding("ctrl+up", "message(-1)", "Messages", id="messages", key_display="^↑"),
        Binding("ctrl+down", "message(1)", "Next message", show=False, id="next_message"),
        Binding("ctrl+n", "new", "New", id="new", priority=True),
        Binding("ctrl+q", "quit", "Quit", show=False, id="quit", priority=True),
    ]

    def __init__(
        self,
        project: Path,
        preferences: Preferences | None = None,
        make_backend: MakeBackend = LocalBackend,
        *,
        resume: bool = False,
    ) -> None:
        """An app about a project; `make_backend` is called once the screen is there.

        With `resume` it goes on with the project's last session.
        """
        super().__init__()
        self.project = project
        self.make_backend = make_backend
        self._resume = resume
        self.preferences = preferences or Preferences()
        self.theme = self.preferences.theme
        self.set_keymap(dict(self.preferences.keys))
        self.talk = Talk(History(None), project)
        self.models = Models(self)
        self.answering = Answering(self)
        self.transcript = Transcript()
        self.prompt = Prompt()
        self.status = StatusLine()
        self.heading = Static(id="title")
        self._used = 0
        self._edited: int | None = None
        # Whether the history is there, and a model, or known to be missing.
        self.is_ready = False

    def compose(self) -> ComposeResult:
        """The conversation, the prompt under it, and what there is to know."""
        yield self.heading
        yield self.transcript
        yield self.prompt
        yield self.status
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Shows the screen, then brings in the rest of the program."""
        self.show_title()
        self.prompt.focus()
        self.call_after_refresh(self.models.start)

    def on_unmount(self) -> None:
        """Frees the model and ends the history."""
        self.models.close()
        self.talk.history.close()

    # What the rest of the program tells

    async def backend_is_here(self, backend: Backend) -> None:
        """Opens the history, and the session that is gone on with."""
        try:
            history = History(backend.history_path)
        except HistoryError as error:
            self.tell(f"{error} What is said now is not kept; /export writes it to a file.", severity="warning")
            return
        if self.talk.number is not None:  # the user was quicker
            self.talk.move_to(history)
        else:
            self.talk.history = history
            if self._resume and (sessions := history.sessions(self.project)):
                self.talk.open(max(sessions, key=lambda each: each.changed).id)
                await self.show_branch()

    def cannot_start(self, message: str) -> None:
        """Says why there is no model to talk with."""
        self.status.show(Shown("No model"))
        self.tell(message, severity="error")

    def offer(self, needed: Needed) -> None:
        """Offers to get a model that is missing."""
        self.tell(f"{needed.question} /{needed.arguments[0]} gets it.")

    def model_is_open(self) -> None:
        """Takes note of a model that can be asked now."""

    # What is shown

    def tell(self, message: str, *, severity: Literal["information", "warning", "error"] = "information") -> None:
        """Tells the user something."""
        self.notify(visible_line(message), severity=severity, markup=False, timeout=8)

    def show_title(self) -> None:
        """Shows what is talked about."""
        project = visible_line(self.project.name or str(self.project))
        title = visible_line(self.talk.title)
        self.heading.update(Content.assemble(("sned chat", "bold"), f"  {project} · {title}"))

    def show_status(self, used: int | None = None, rate: float = 0.0) -> None:
        """Shows that the model is ready, and how much of its context is used."""
        self._used = self._used if used is None else used
        model = self.models.open
        if model is None:
            self.status.show(Shown("No model"))
        else:
            name, context = model.selection.name, model.engine.info.context
            self.status.show(Shown("Ready", None, name, self._used, context, rate))

    async def show_branch(self, at: int | None = None) -> None:
        """Shows the session's messages."""
        await self.transcript.show(self.talk.branch, at)
        self.show_title()

    # What is kept

    async def kept(self, change: Callable[[], T]) -> T:
        """Changes the session; where that cannot be kept, the session goes on in memory, and the user is told."""
        try:
            return change()
        except HistoryError as error:
            await self.go_on_unkept(error)
            return change()

    async def go_on_unkept(self, error: HistoryError) -> None:
        """Goes on in memory when the history cannot be written: nothing on the screen is lost."""
        self.tell(f"{error} From here on nothing is kept; /export writes the session to a file.", severity="error")
        self.talk.move_to(History(None))
        await self.show_branch()

    # What is said

    @on(Prompt.Sent)
    async def sent(self, event: Prompt.Sent) -> None:
        """Sends what the user wrote."""
        if self.answering.busy:
            self.tell("An answer is being written; Esc stops it.", severity="warning")
            self.prompt.write(event.text + self.prompt.text)
            return
        await self.ask(event.text)

    async def ask(self, text: str) -> None:
        """Adds a message of the user's, in the place of the one that is edited, and has it answered."""
        if self._edited is not None:
            self.talk.cut_before(self._edited)
            self._edited = None
            await self.show_branch()
        message = await self.kept(lambda: self.talk.say(text))
        await self.transcript.add(message)
        self.show_title()
        await self.answering.begin()

    async def action_stop(self) -> None:
        """Stops the answer; with none, goes back to the prompt."""
        if await self.answering.stop():
            return
        if self._edited is not None:
            self._edited = None
            self.prompt.text = ""
        self.prompt.focus()

    def edit(self, message: "StoredMessage") -> None:
        """Puts a message of the user's into the prompt; what is sent then takes its place, on a branch of its own."""
        self._edited = message.id
        self.prompt.write(message.text)
        self.prompt.focus()

    async def action_retry(self) -> None:
        """Has the last message answered once more, beside the answers it has."""
        last = self.talk.last(Role.ASSISTANT)
        if last is not None:
            await self.regenerate(last)

    async def regenerate(self, message: "StoredMessage") -> None:
        """Has a message answered once more: an answer's question, or a message of the user's itself."""
        if self.answering.busy:
            return
        answer = message if message.role is Role.ASSISTANT else self.talk.after(message.id)
        if answer is not None:
            self.talk.cut_before(answer.id)
        await self.show_branch()
        await self.answering.begin()

    async def action_new(self) -> None:
        """Begins another session."""
        await self.answering.stop()
        self.talk.begin()
        await self.show_branch()
        self.prompt.focus()

    def action_message(self, step: int) -> None:
        """Goes to the message before or after the one that has the focus."""
        views = self.transcript.mounted
        focused = next((place for place, each in enumerate(views) if each.has_focus), len(views))
        place = focused + step
        if 0 <= place < len(views):
            views[place].focus()
        elif place >= len(views):
            self.prompt.focus()

    @on(MessageView.Wanted)
    async def wanted(self, event: MessageView.Wanted) -> None:
        """Does what was asked for with a message."""
        place = next(place for place, each in enumerate(self.talk.branch) if each.id == event.number)
        message = self.talk.branch[place]
        if event.action == "copy":
            self.copy_to_clipboard(message.text)
            self.tell("Copied.")
        elif self.answering.busy:
            self.tell("An answer is being written; Esc stops it.", severity="warning")
        elif event.action == "retry":
            await self.regenerate(message)
        elif event.action == "edit" and message.role is Role.USER:
            self.edit(message)
        elif event.action in {"previous", "next"} and self.talk.turn(message.id, 1 if event.action == "next" else -1):
            await self.show_branch(at=self.talk.branch[place].id)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the command palette lists."""
        yield from super().get_system_commands(screen)
