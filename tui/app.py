"""The chat app: what is on the screen, and what its keys do."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import events, on
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Static

from assistant.chat.types import Role
from assistant.chat.visible import visible_line
from assistant.errors import SnedError, UsageError
from tui import memory
from tui.answering import Answering
from tui.attaching import Attaching
from tui.backend import Backend, LocalBackend, MakeBackend
from tui.completing import Completing
from tui.dialogs import Dialogs
from tui.history.errors import HistoryError
from tui.models import Models
from tui.opening import Opening
from tui.preferences import Preferences
from tui.speaking import Speaking
from tui.talk import Talk
from tui.widgets.completions import Completions
from tui.widgets.message import MessageView
from tui.widgets.prompt import Prompt
from tui.widgets.status_line import Shown, StatusLine
from tui.widgets.transcript import Transcript

if TYPE_CHECKING:
    from tui.code.changes import Change

_UNKEPT = "What is said now is not kept; /export writes it to a file."


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
        Binding("ctrl+o", "sessions", "Sessions", id="sessions"),
        Binding("f1", "help", "Help", id="help"),
        Binding("ctrl+q", "quit", "Quit", show=False, id="quit", priority=True),
    ]

    def __init__(
        self,
        project: Path,
        preferences: Preferences | None = None,
        make_backend: MakeBackend = LocalBackend,
        opening: Opening | None = None,
    ) -> None:
        """An app about a project; once the screen is there, `make_backend` is called, and what `opening` says done."""
        super().__init__()
        self.project = project
        self.make_backend = make_backend
        self.preferences = preferences or Preferences()
        self.opening = opening or Opening()
        self.theme = self.preferences.theme
        self.set_keymap(dict(self.preferences.keys))
        self.talk = Talk(project)
        self.models: Models = Models(self)
        self.answering = Answering(self)
        self.speaking = Speaking(self)
        self.attaching = Attaching(self)
        self.completing: Completing = Completing(self)
        self.dialogs = Dialogs(self)
        self.transcript = Transcript()
        self.prompt = Prompt()
        self.prompt.completer = self.completing.key
        self.prompt.read = self.transcript
        self.status = StatusLine()
        self.heading = Static(id="title")
        self.changes: list[Change] = []
        # Whether the history is there, and the model known, or what is missing.
        self.is_ready = False
        self._used = 0

    def compose(self) -> ComposeResult:
        """The conversation, the prompt under it, and what there is to know."""
        yield self.heading
        yield self.transcript
        yield self.completing.list
        yield self.attaching.line
        yield self.prompt
        yield self.status
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Shows the screen, then brings in the rest of the program."""
        self.show_title()
        self.prompt.focus()
        self.call_after_refresh(self._painted)

    def _painted(self) -> None:
        memory.painted()
        self.models.start()

    def on_unmount(self) -> None:
        """Frees the model and ends the history."""
        self.models.close()
        self.talk.history.close()

    async def backend_is_here(self, backend: Backend) -> None:
        """Opens the history, and does what the program was begun with."""
        from tui.history.store import History

        try:
            history = History(backend.history_path)
            if self.talk.number is None:
                self.talk.history = history
            else:  # the user was quicker
                self.speaking.move_to(history)
        except HistoryError as error:
            self.tell(f"{error} {_UNKEPT}", severity="warning")
        await self.opening.begin(self)

    # What is shown

    def tell(self, message: str, *, severity: Literal["information", "warning", "error"] = "information") -> None:
        """Tells the user something."""
        self.notify(visible_line(message), severity=severity, markup=False, timeout=8)

    def show_title(self) -> None:
        """Shows what is talked about."""
        project = visible_line(self.project.name or str(self.project))
        title = visible_line(self.talk.title)
        self.heading.update(Content.assemble(("sned chat", "bold"), f"  {project} · {title}"), layout=False)

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

    # What is written

    @on(Prompt.Sent)
    async def sent(self, event: Prompt.Sent) -> None:
        """Sends what the user wrote, or does the command that it is; two slashes begin a message with one."""
        text = event.text
        if text.startswith("/") and not text.startswith("//"):
            await self.attempt(text)
            return
        try:
            await self.speaking.ask(text.removeprefix("/") if text.startswith("//") else text)
        except SnedError as error:
            self.tell(str(error), severity="warning")
            self.prompt.write(text + self.prompt.text)  # nothing is lost: it can be changed and sent again

    async def attempt(self, command: str) -> None:
        """Does what a line such as `/rename A title` says, or tells why it cannot be done."""
        from tui.commands.registry import find

        name, _, arguments = command.removeprefix("/").partition(" ")
        try:
            await find(name.strip()).run(self, arguments.strip())
        except SnedError as error:
            self.tell(str(error), severity="warning")
            if not self.prompt.text:
                self.prompt.write(command)

    @on(Prompt.Changed)
    @on(Prompt.SelectionChanged)
    def prompt_changed(self, event: Message) -> None:
        """Shows what may be meant by what is typed, and what is attached by it."""
        self.completing.update()
        if isinstance(event, Prompt.Changed):
            self.attaching.update()

    @on(Completions.Chosen)
    def completion_chosen(self) -> None:
        """Takes the completion that was clicked on."""
        self.completing.take()

    @on(MessageView.Wanted)
    async def wanted(self, event: MessageView.Wanted) -> None:
        """Does what was asked for with a message."""
        try:
            await self.speaking.act(event.number, event.action)
        except SnedError as error:
            self.tell(str(error), severity="warning")

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Takes note of the message that commands are about."""
        if isinstance(event.widget, MessageView):
            self.speaking.point_at(event.widget.shown)

    # What keys do

    async def action_stop(self) -> None:
        """Hides the completions; else stops the answer; else leaves what is edited, and goes back to the prompt."""
        if self.completing.hide() or await self.answering.stop():
            return
        self.speaking.leave_edit()
        self.prompt.focus()

    async def action_quit(self) -> None:
        """Leaves; what was written of an answer is kept."""
        await self.answering.stop()
        self.exit()

    async def action_retry(self) -> None:
        """Has the last message answered once more, beside the answers it has."""
        last = self.talk.last(Role.ASSISTANT) or self.talk.last(Role.USER)
        try:
            if last is None:
                raise UsageError("Nothing has been asked yet.")
            await self.speaking.regenerate(last)
        except SnedError as error:
            self.tell(str(error), severity="warning")

    async def action_new(self) -> None:
        """Begins another session."""
        await self.speaking.new()

    def action_sessions(self) -> None:
        """Lists the sessions."""
        self.dialogs.sessions()

    def action_help(self) -> None:
        """Shows all commands and keys."""
        self.dialogs.help()

    def action_message(self, step: int) -> None:
        """Goes to the message before or after the one that has the focus."""
        self.transcript.unfold()
        views = self.transcript.mounted
        place = next((place for place, each in enumerate(views) if each.has_focus), len(views)) + step
        if 0 <= place < len(views):
            views[place].focus()
        elif place >= len(views):
            self.prompt.focus()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the command palette lists: all commands; those that need something more are begun in the prompt."""
        from tui.commands.registry import COMMANDS

        for command in COMMANDS:
            text = f"/{command.name}"
            run = partial(self.prompt.write, f"{text} ") if command.needs_arguments else partial(self.attempt, text)
            yield SystemCommand(text, command.help, run)
