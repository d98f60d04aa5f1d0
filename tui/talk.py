"""One session that is being talked: its branch in memory, kept in the history as it grows."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.chat.types import ASKED_ABOUT, Attachment, ChatOptions, Conversation, Message, Role
from tui.history.errors import HistoryError
from tui.history.types import Details, Session, SessionSettings, State, StoredMessage
from tui.mentions.parsing import as_read

if TYPE_CHECKING:
    from tui.history.store import History


class Talk:
    """A session, or the draft of one: it is kept from its first message on.

    Attributes:
        project: the folder that is talked about.
        number: the session's number; None of a draft.
        settings: what it has of its own.
        branch: the messages shown, from the first on.
    """

    def __init__(self, project: Path) -> None:
        """A draft, in memory."""
        self._history: History | None = None
        self.project = project
        self.number: int | None = None
        self.settings = SessionSettings()
        self.branch: list[StoredMessage] = []

    @property
    def history(self) -> "History":
        """Where it is kept; in memory until it is told."""
        if self._history is None:
            from tui.history.store import History

            self._history = History(None)
        return self._history

    @history.setter
    def history(self, history: "History") -> None:
        self._history = history

    @property
    def title(self) -> str:
        """What the session is called."""
        return "New session" if self.number is None else self.history.session(self.number).title

    @property
    def session(self) -> Session | None:
        """The session as lists show it; None of a draft."""
        return None if self.number is None else self.history.session(self.number)

    def begin(self) -> None:
        """Puts a draft in the session's place, with its settings."""
        self.number, self.branch = None, []

    def open(self, number: int) -> None:
        """Goes on with a session.

        Raises:
            HistoryError: it is not there.
        """
        self.settings = self.history.session(number).settings
        self.number, self.branch = number, self.history.messages.branch(number)

    def configure(self, settings: SessionSettings) -> None:
        """Gives the session settings of its own.

        Raises:
            HistoryError: they cannot be kept; they hold until the program ends.
        """
        self.settings = settings
        if self.number is not None:
            self.history.configure(self.number, settings)

    def say(self, text: str, attachments: Sequence[Attachment] = ()) -> StoredMessage:
        """Adds a message of the user's at the end.

        Raises:
            HistoryError: it cannot be kept, and is not added.
        """
        return self._add(Role.USER, text, attachments)

    def answer(self) -> StoredMessage:
        """Adds an answer that is to be written, at the end.

        Raises:
            HistoryError: as `say`.
        """
        return self._add(Role.ASSISTANT, "", ())

    def write(self, number: int, text: str, state: State, details: Details | None = None) -> None:
        """Sets an answer's text; it is in memory even when it cannot be kept.

        Raises:
            HistoryError: it cannot be kept now.
        """
        for place in range(len(self.branch) - 1, -1, -1):
            if self.branch[place].id == number:
                found = self.branch[place]
                self.branch[place] = replace(found, text=text, state=state, details=details or found.details)
                break
        self.history.messages.write(number, text, state, details)

    def cut_before(self, number: int) -> StoredMessage:
        """Ends the branch before a message, so that another takes its place; the message comes back.

        Raises:
            HistoryError: it cannot be kept.
        """
        place = next(place for place, each in enumerate(self.branch) if each.id == number)
        found = self.branch[place]
        assert self.number is not None
        self.history.messages.show_until(self.number, found.parent)
        del self.branch[place:]
        return found

    def turn(self, number: int, step: int) -> bool:
        """Shows the next (1) or previous (-1) branch at a message; whether there is one.

        Raises:
            HistoryError: it cannot be kept.
        """
        found = next(each for each in self.branch if each.id == number)
        place = found.branches.index(number) + step
        if not 0 <= place < len(found.branches):
            return False
        self.history.messages.show(found.branches[place])
        assert self.number is not None
        self.branch = self.history.messages.branch(self.number)
        return True

    def last(self, role: Role) -> StoredMessage | None:
        """The last message of a speaker."""
        return next((each for each in reversed(self.branch) if each.role is role), None)

    def after(self, number: int) -> StoredMessage | None:
        """The message after another on the branch."""
        return next((each for each in self.branch if each.parent == number), None)

    def move_to(self, history: "History") -> dict[int, int]:
        """Goes on in another history, with the branch as it is; gives the new numbers of its messages.

        Raises:
            HistoryError: that cannot be written, and all stays as it is.
        """
        before = self._history, self.number, self.branch
        numbers: dict[int, int] = {}
        self._history, self.number, self.branch = history, None, []
        try:
            for each in before[2]:
                copy = self._add(each.role, each.text, each.attachments)
                if each.role is Role.ASSISTANT:
                    self.write(copy.id, each.text, each.state, each.details)
                numbers[each.id] = copy.id
        except HistoryError:
            self._history, self.number, self.branch = before
            raise
        return numbers

    def conversation(self, system: str) -> Conversation:
        """What the model is to answer: all up to the last message of the user's; `system` where none was set."""
        kept = _answered(self.branch)
        last = max(place for place, each in enumerate(kept) if each.role is Role.USER)
        kept = kept[: last + 1]
        attachments = tuple(
            replace(each, before=place, relevance=ASKED_ABOUT if place == last else ASKED_ABOUT * place / (last + 1))
            for place, message in enumerate(kept)
            for each in message.attachments
        )
        messages = tuple(
            Message(each.role, as_read(each.text, {attached.name for attached in each.attachments})) for each in kept
        )
        return Conversation(self.settings.system or system, messages, attachments)

    def options(self) -> ChatOptions:
        """How the model is to answer."""
        return options_of(self.settings)

    def _add(self, role: Role, text: str, attachments: Sequence[Attachment]) -> StoredMessage:
        if self.number is None:
            self.number = self.history.create(self.project, self.settings)
        parent = self.branch[-1].id if self.branch else None
        number = self.history.messages.add(self.number, parent, role, text, attachments)
        state = State.WRITING if role is Role.ASSISTANT else State.WHOLE
        branches = self.history.messages.branches(self.number, parent)
        message = StoredMessage(number, parent, role, text, state, Details(), tuple(attachments), branches)
        self.branch.append(message)
        return message


def options_of(settings: SessionSettings) -> ChatOptions:
    """The options that settings make; a parameter of another version is passed over."""
    known = {"max_tokens": int, "temperature": float, "seed": int, "top_k": int, "top_p": float, "min_p": float}
    given = {name: known[name](value) for name, value in settings.parameters.items() if name in known}
    return ChatOptions(**given)


def _answered(branch: Sequence[StoredMessage]) -> list[StoredMessage]:
    """The branch without questions whose answers were stopped before their first word: speakers take turns."""
    kept: list[StoredMessage] = []
    for message in branch:
        if message.role is Role.USER and kept and kept[-1].role is Role.USER:
            kept.pop()
        if message.role is Role.USER or message.text:
            kept.append(message)
    return kept
