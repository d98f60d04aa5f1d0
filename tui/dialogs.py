"""What is asked and shown over the conversation, and what follows from the answers."""

from dataclasses import replace
from typing import TYPE_CHECKING

from assistant.errors import SnedError
from tui.history.errors import HistoryError
from tui.history.types import Session

if TYPE_CHECKING:
    from tui.app import ChatApp
    from tui.backend import Needed
    from tui.code.changes import Change
    from tui.screens.sessions import Choice


class Dialogs:
    """The screens over the conversation; each is brought in when it is first wanted."""

    def __init__(self, app: "ChatApp") -> None:
        self._app = app

    def help(self) -> None:
        """Shows all commands and keys."""
        from tui.commands.registry import COMMANDS
        from tui.keys import named_keys
        from tui.screens.help import Help

        self._app.push_screen(Help(COMMANDS, named_keys(self._app.preferences.keys)))

    def models(self) -> None:
        """Lists the models, and takes the one that is chosen for the session."""
        from tui.screens.models import ModelPicker

        app = self._app
        if not app.models.rows:
            app.tell("No model is here yet; /fetch gets one.", severity="warning")
            return
        current = app.models.open.selection.name if app.models.open is not None else ""
        rates = app.talk.history.rates()

        def chosen(name: str | None) -> None:
            if name is not None:
                self.use_model(name)

        app.push_screen(ModelPicker(app.models.rows, rates, current), chosen)

    def use_model(self, name: str | None) -> None:
        """Has the session answered by another model; None is the one of the project's language."""
        app = self._app
        if app.answering.busy:
            app.tell("An answer is being written; Esc stops it.", severity="warning")
            return
        app.talk.configure(replace(app.talk.settings, model=name))
        app.models.change()

    def sessions(self, words: str = "") -> None:
        """Lists the sessions, and does what is chosen."""
        from tui.screens.sessions import SessionList

        app = self._app
        if app.answering.busy:
            app.tell("An answer is being written; Esc stops it.", severity="warning")
            return
        app.push_screen(SessionList(app.talk.history, app.project, words), self._session_chosen)

    def delete(self, session: Session) -> None:
        """Deletes a session if the user agrees."""
        from tui.screens.question import Question

        async def answered(agreed: bool | None) -> None:
            if agreed:
                self._app.talk.history.delete(session.id)
                if session.id == self._app.talk.number:
                    await self._app.action_new()
                self._app.tell(f"{session.title} was deleted.")

        question = f"Delete “{session.title}” with its {session.messages} messages?"
        self._app.push_screen(Question(question, "Delete", "Keep"), answered)

    def review(self, change: "Change") -> None:
        """Writes a change if the user wants it so."""
        from tui.screens.review import Review

        app = self._app

        def answered(agreed: bool | None) -> None:
            if not agreed:
                app.tell("Nothing was changed.")
                return
            try:
                change.write()
            except SnedError as error:
                app.tell(str(error), severity="error")
                return
            app.changes.append(change)
            app.tell(f"{change.path} was changed; /undo takes it back.")

        app.push_screen(Review(change, app.project), answered)

    def offer(self, needed: "Needed") -> None:
        """Offers to get a model that is missing: at once where nothing can be done without, else in passing."""
        from tui.screens.question import Question

        if not needed.blocking:
            self._app.tell(f"{needed.question} /{needed.arguments[0]} makes it.")
            return

        def answered(agreed: bool | None) -> None:
            if agreed:
                self.get_model(needed.arguments)

        self._app.push_screen(Question(needed.question, needed.action), answered)

    def get_model(self, arguments: tuple[str, ...]) -> None:
        """Fetches or builds a model, and has it answer from then on."""
        from tui.screens.progress import Progress

        app = self._app
        if app.answering.busy:
            app.tell("An answer is being written; Esc stops it.", severity="warning")
            return

        def ended(failure: str | None) -> None:
            if failure is None:
                app.tell("The model is here.")
                app.models.again()
            else:
                app.tell(failure or "It was stopped.", severity="error" if failure else "warning")

        app.push_screen(Progress(arguments), ended)

    async def _session_chosen(self, choice: "Choice | None") -> None:
        if choice is None:
            self._app.show_title()
            return
        app = self._app
        try:
            session = app.talk.history.session(choice.session)
            if choice.action == "delete":
                self.delete(session)
                return
            await app.speaking.open(choice.session, choice.message)
            if choice.action == "export":
                await app.attempt("/export")
        except HistoryError as error:
            app.tell(str(error), severity="error")
