"""The session's model: opened in the background, so that the screen is there at once."""

from typing import TYPE_CHECKING

from assistant.errors import SnedError
from tui import memory
from tui.widgets.status_line import Shown

if TYPE_CHECKING:
    from assistant.open_models import OpenModel
    from tui.app import ChatApp
    from tui.backend import Backend, ModelRow, Needed


class Models:
    """The model that answers.

    Attributes:
        backend: the rest of the program; None until it is there.
        open: the model that is loaded; None until one is.
        rows: the models that are here.
    """

    def __init__(self, app: "ChatApp") -> None:
        self._app = app
        self.backend: Backend | None = None
        self.open: OpenModel | None = None
        self.rows: list[ModelRow] = []
        self._loading = False
        self._wanted = 0
        self._frozen = False

    def again(self) -> None:
        """Chooses and opens the session's model anew, after one has come."""
        self.open, self._loading = None, False
        self.start()

    def start(self) -> None:
        """Brings in the rest of the program, then the model."""
        self._app.run_worker(self._start, thread=True, group="start", exit_on_error=False)

    def load(self) -> None:
        """Opens the session's model, if it is not open or being opened."""
        if self.backend is None or self._loading:
            return
        self._loading = True
        self._wanted += 1
        name = self._app.talk.settings.model
        wanted = self._wanted
        self._app.status.show(Shown(f"Loading {name or 'the model'}"))
        self._app.run_worker(lambda: self._load(name, wanted), thread=True, group="load", exit_on_error=False)

    def change(self) -> None:
        """Opens the model that the session has now."""
        self.open, self._loading = None, False
        self.load()

    def close(self) -> None:
        """Frees the models."""
        if self.backend is not None:
            self.backend.close()

    def _start(self) -> None:
        app, backend = self._app, self.backend
        if backend is None:
            try:
                backend = self.backend = app.make_backend(app.project)
            except Exception as error:  # noqa: BLE001 - settings, a catalog: whatever it is, the screen tells
                app.call_from_thread(self._cannot_start, _said(error))
                return
            app.call_from_thread(app.call_later, app.backend_is_here, backend)
        try:
            needed = backend.needed()
            self.rows = backend.models()
        except Exception as error:  # noqa: BLE001
            app.call_from_thread(app.tell, _said(error), severity="error")
            needed = None
        app.call_from_thread(app.call_later, self._started, needed)

    def _cannot_start(self, message: str) -> None:
        self._app.is_ready = True
        self._app.status.show(Shown("No model"))
        self._app.tell(message, severity="error")

    async def _started(self, needed: "Needed | None") -> None:
        self._app.is_ready = True
        if needed is not None and not (needed.blocking and self._app.talk.settings.model):
            self._app.dialogs.offer(needed)
            if needed.blocking:
                self._app.status.show(Shown("No model yet; /fetch gets one"))
                await self._app.answering.failed(f"{needed.question} /fetch gets it.")
                return
        self.load()

    def _load(self, name: str | None, wanted: int) -> None:
        assert self.backend is not None
        try:
            model = self.backend.open(name)
        except Exception as error:  # noqa: BLE001 - a native engine's: it may fail in any way
            self._app.call_from_thread(self._app.call_later, self._failed, _said(error), wanted)
        else:
            self._app.call_from_thread(self._loaded, model, wanted)

    async def _failed(self, message: str, wanted: int) -> None:
        if wanted != self._wanted:
            return
        self._loading = False
        self._app.status.show(Shown("No model"))
        if self._app.answering.busy:
            await self._app.answering.failed(message)
        else:
            self._app.tell(message, severity="error")

    def _loaded(self, model: "OpenModel", wanted: int) -> None:
        if wanted != self._wanted:
            return
        self._loading, self.open = False, model
        if not self._frozen:
            self._frozen = True
            memory.keep_what_is_loaded()
        self._app.show_status()
        self._app.answering.model_is_open(model)
        self._app.attaching.update()


def _said(error: Exception) -> str:
    """An error as the user is told it."""
    if isinstance(error, SnedError):
        return str(error)
    return f"The model cannot be used ({type(error).__name__}: {error}); choose another with /model."
