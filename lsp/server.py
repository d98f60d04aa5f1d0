"""The server: what its handlers work on."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from importlib.metadata import version
from threading import Event
from typing import Any, BinaryIO

from lsprotocol import types
from pygls.io_ import StdoutWriter, run_async
from pygls.lsp.server import LanguageServer

from assistant.errors import SnedError
from assistant.selection import select_model
from assistant.session import Session
from assistant.sessions import Sessions
from assistant.settings import Settings
from assistant.suggestion.types import SuggestionOptions
from lsp.buffers import View, folder_of, language_of, view_of
from lsp.latest import LatestSuggestions
from lsp.protocol import Protocol
from lsp.settings import EditorSettings
from lsp.status import State, Status, StatusReporter
from lsp.streams import connection_to, reader_of
from lsp.suggesting import Suggesting

_log = logging.getLogger("sned.lsp")
_GIGABYTE = 10**9

# The kind of notebook is named though any would do: lsprotocol's own clients cannot read a selector of cells alone.
_NOTEBOOKS = types.NotebookDocumentSyncOptions(
    notebook_selector=[
        types.NotebookDocumentFilterWithNotebook(notebook="*", cells=[types.NotebookCellLanguage(language=language)])
        for language in ("python", "javascript", "typescript", "java", "cpp")
    ]
)


class SnedServer(LanguageServer):
    """A language server whose answers come from `assistant.session`."""

    protocol: Protocol

    def __init__(self, settings: Settings) -> None:
        super().__init__("sned", version("sned"), notebook_document_sync=_NOTEBOOKS, protocol_cls=Protocol)
        self.settings = EditorSettings()
        self.machine = settings
        self.sessions = Sessions(settings)
        self.status = StatusReporter(self)
        self.suggesting = Suggesting(self.status)
        self.latest = LatestSuggestions()
        self.takes_snippets = False
        self.shown = 0
        self.accepted = 0
        self.offered: set[Session] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    def serve_client(self, stdin: BinaryIO, stdout: BinaryIO) -> None:
        """Serves one client on two streams until it goes away: `start_io` without its threads.

        Raises:
            SystemExit: the client has sent `exit`; the status is 1 without a shutdown before, as the protocol has it.
        """
        self.protocol.set_writer(StdoutWriter(stdout))
        self._run(self._serve_streams(stdin))

    def serve_connection(self, host: str, port: int) -> None:
        """Serves the first client that connects to a port, as `serve_client` does.

        Raises:
            UsageError: the port is taken, or not ours to take.
            SystemExit: as `serve_client`.
        """
        self._run(self._serve_connection(host, port))

    def view(self, uri: str) -> View | None:
        """The document called `uri` as it is now; None if it is not open."""
        return view_of(self.workspace, uri)

    def session_of(self, view: View) -> Session:
        """The session that answers for a document."""
        return self.sessions.of(folder_of(self.workspace, view.buffer), language_of(view.buffer))

    def use_settings(self, settings: EditorSettings) -> None:
        """Takes new settings, and tells the client when they switch suggestions off or on."""
        before, self.settings = self.settings, settings
        try:
            self.sessions.use_model(settings.model)
        except SnedError as error:
            self.settings = settings.model_copy(update={"model": before.model})
            self.status.warn(f"The setting sned.model is not usable: {error}")
        if settings.chat_model is not None and settings.chat_model != before.chat_model:
            try:
                select_model(self.machine, None, settings.chat_model)
            except SnedError as error:
                self.settings = self.settings.model_copy(update={"chat_model": before.chat_model})
                self.status.warn(f"The setting sned.chatModel is not usable: {error}")
        self.sessions.use_options(SuggestionOptions(max_tokens=settings.max_tokens))
        if settings.memory is not None:
            self.sessions.models.budget = int(settings.memory * _GIGABYTE)
        if settings.enabled != before.enabled:
            state = State.READY if settings.enabled else State.DISABLED
            self.status.report(Status(state, f"Suggestions are switched {'on' if settings.enabled else 'off'}."))

    def why_off(self, view: View, *, automatic: bool) -> str | None:
        """Why there are no suggestions for a document by the user's settings; None if there are."""
        if not self.settings.enabled:
            return "Suggestions are switched off (sned.enabled)."
        if view.buffer.language_id in self.settings.disabled_languages:
            return f"Suggestions are switched off for {view.buffer.language_id} (sned.disabledLanguages)."
        if automatic and not self.settings.automatic:
            return "Suggestions come only when asked for (sned.automatic)."
        return None

    def in_background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Runs `work` beside what is being handled; its failure is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Answers what cannot be read and logs it; a client's slip is not shown to its user."""
        self.protocol.answer_unreadable(error)

    def _run(self, serving: Coroutine[Any, Any, None]) -> None:
        try:
            asyncio.run(serving)
        except (BrokenPipeError, ConnectionResetError):
            _log.error("the client has gone away")
        except KeyboardInterrupt:
            pass
        finally:
            self.shutdown()  # type: ignore[no-untyped-call]

    async def _serve_streams(self, stdin: BinaryIO) -> None:
        await self._serve(reader_of(stdin))

    async def _serve_connection(self, host: str, port: int) -> None:
        reader, writer = await connection_to(host, port)
        self.protocol.set_writer(writer)
        await self._serve(reader)

    async def _serve(self, stream: asyncio.StreamReader) -> None:
        self._stop_event = stop = Event()
        # pygls takes any object with these two methods for a reader.
        reader: Any = stream
        with suppress(asyncio.IncompleteReadError):  # the client went away in the middle of a message
            await run_async(stop, reader, self.protocol, error_handler=self.report_server_error)
        await self.protocol.closed()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("work in the background failed", exc_info=error)
