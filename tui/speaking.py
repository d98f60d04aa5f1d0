"""What is said in a session: asked, asked again, edited; and which session it is."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from assistant.chat.types import Role
from assistant.errors import UsageError
from tui.history.errors import HistoryError

if TYPE_CHECKING:
    from tui.app import ChatApp
    from tui.history.store import History
    from tui.history.types import StoredMessage

T = TypeVar("T")
BUSY = "An answer is being written; Esc stops it."


class Speaking:
    """Changes the session as the user says, and shows it."""

    def __init__(self, app: "ChatApp") -> None:
        self._app = app
        self._edited: int | None = None
        self._pointed: int | None = None

    async def ask(self, text: str) -> None:
        """Adds a message of the user's, in the place of the one that is edited, and has it answered.

        Raises:
            UsageError: an answer is being written, or something that the message names cannot be read.
        """
        app = self._app
        if app.answering.busy:
            raise UsageError(BUSY)
        attachments = await app.attaching.gather(text)
        edited, self._edited, self._pointed = self._edited, None, None
        if edited is not None:
            app.talk.cut_before(edited)
            await app.show_branch()
        message = await self.kept(lambda: app.talk.say(text, attachments))
        app.attaching.clear()
        await app.transcript.add(message)
        app.show_title()
        await app.answering.begin()

    async def regenerate(self, message: "StoredMessage") -> None:
        """Has a message answered once more: an answer's question, or a message of the user's itself.

        Raises:
            UsageError: an answer is being written.
        """
        app = self._app
        if app.answering.busy:
            raise UsageError(BUSY)
        answer = message if message.role is Role.ASSISTANT else app.talk.after(message.id)
        if answer is not None:
            app.talk.cut_before(answer.id)
        await app.show_branch()
        await app.answering.begin()

    def edit(self, message: "StoredMessage") -> None:
        """Puts a message of the user's into the prompt; what is sent then takes its place, on a branch of its own."""
        self._edited = message.id
        self._app.prompt.write(message.text)
        self._app.prompt.focus()

    def leave_edit(self) -> None:
        """Leaves the message that is edited as it is."""
        if self._edited is not None:
            self._edited = None
            self._app.prompt.text = ""

    async def act(self, number: int, action: str) -> None:
        """Does something with a message: copy, edit, retry, or turn to the previous or next branch.

        Raises:
            UsageError: an answer is being written.
        """
        app = self._app
        place = next(place for place, each in enumerate(app.talk.branch) if each.id == number)
        message = app.talk.branch[place]
        if action == "copy":
            app.copy_to_clipboard(message.text)
            app.tell("Copied.")
        elif app.answering.busy:
            raise UsageError(BUSY)
        elif action == "retry":
            await self.regenerate(message)
        elif action == "edit" and message.role is Role.USER:
            self.edit(message)
        elif action in {"previous", "next"} and app.talk.turn(number, 1 if action == "next" else -1):
            turned = app.talk.branch[place].id
            await app.show_branch(at=turned)
            if (view := app.transcript.view(turned)) is not None:
                view.focus()

    async def new(self) -> None:
        """Begins another session."""
        await self._app.answering.stop()
        self._edited = self._pointed = None
        self._app.talk.begin()
        await self._app.show_branch()
        self._app.prompt.focus()

    async def open(self, number: int, message: int | None = None) -> None:
        """Goes on with a session, at one of its messages.

        Raises:
            HistoryError: it is not there.
        """
        app = self._app
        model = app.talk.settings.model
        self._edited = self._pointed = None
        if message is not None:
            app.talk.history.messages.show(message)
        app.talk.open(number)
        await app.show_branch(message)
        if app.talk.settings.model != model:
            app.models.change()
        app.prompt.focus()

    def point_at(self, message: "StoredMessage") -> None:
        """Takes note of the message that the user went to: it is what commands are about."""
        self._pointed = message.id

    def answer_in_view(self) -> "StoredMessage":
        """The answer that the user went to, else the last.

        Raises:
            UsageError: there is none.
        """
        branch = self._app.talk.branch
        answers = [each for each in branch if each.role is Role.ASSISTANT and each.text]
        if not answers:
            raise UsageError("There is no answer yet.")
        return next((each for each in answers if each.id == self._pointed), answers[-1])

    async def kept(self, change: Callable[[], T]) -> T:
        """Changes the session; where that cannot be kept, the session goes on in memory, and the user is told."""
        try:
            return change()
        except HistoryError as error:
            self.go_on_unkept(error)
            return change()

    def move_to(self, history: "History") -> None:
        """Goes on in another history, whatever is being written."""
        numbers = self._app.talk.move_to(history)
        self._app.transcript.renumber(numbers, self._app.talk.branch)
        self._edited = numbers.get(self._edited) if self._edited is not None else None
        self._pointed = numbers.get(self._pointed) if self._pointed is not None else None

    def go_on_unkept(self, error: HistoryError) -> None:
        """Goes on in memory when the history cannot be written: nothing on the screen is lost."""
        from tui.history.store import History

        app = self._app
        app.tell(f"{error} From here on nothing is kept; /export writes the session to a file.", severity="error")
        self.move_to(History(None))
