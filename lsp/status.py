"""What the server is doing and, when no suggestion comes, why: for the editor's status line and its log."""

import asyncio
import logging
from dataclasses import asdict, dataclass
from enum import StrEnum

from lsprotocol.types import LogMessageParams, MessageType, ShowMessageParams
from pygls.lsp.server import LanguageServer

STATUS_METHOD = "sned/status"

# What is over sooner is not worth a message, which costs as much as an answer does.
_WORTH_TELLING_SECONDS = 0.1

_log = logging.getLogger("sned.lsp")


class State(StrEnum):
    """What the server is doing."""

    OPENING = "opening"
    READY = "ready"
    WORKING = "working"
    FETCHING = "fetching"
    BUILDING = "building"
    DISABLED = "disabled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Status:
    """The parameters of `sned/status`.

    Attributes:
        state: what the server is doing.
        message: the same, in one sentence for the user; after a request without suggestion, the reason.
        model: the model at work, if one is.
        document: the document it is about, if it is about one.
    """

    state: State
    message: str
    model: str | None = None
    document: str | None = None


class StatusReporter:
    """Tells the client; to be used in the server's own thread."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._last: Status | None = None
        self._written = ""
        self._soon: asyncio.TimerHandle | None = None

    @property
    def last(self) -> Status | None:
        """The status the client knows."""
        return self._last

    def report(self, status: Status) -> None:
        """Sends a status unless it is the one the client knows; all but the passing ones are logged as well.

        What was logged last is not logged again: a suggestion is shown at every key.
        """
        self.withdraw()
        if status == self._last:
            return
        self._last = status
        self._server.protocol.notify(STATUS_METHOD, asdict(status))
        if status.state is not State.WORKING and status.message != self._written:
            self._write(MessageType.Error if status.state is State.FAILED else MessageType.Info, status.message)

    def report_soon(self, status: Status) -> None:
        """Reports a status if no other one comes within a tenth of a second."""
        self.withdraw()
        self._soon = asyncio.get_running_loop().call_later(_WORTH_TELLING_SECONDS, self.report, status)

    def withdraw(self) -> None:
        """Forgets what was to be reported soon."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None

    def show(self, message: str) -> None:
        """Shows the user something that has happened, where the editor shows such things."""
        self._server.window_show_message(ShowMessageParams(MessageType.Info, message))

    def warn(self, message: str) -> None:
        """Shows the user what went wrong, and logs it."""
        self._write(MessageType.Warning, message)
        self._server.window_show_message(ShowMessageParams(MessageType.Warning, message))

    def _write(self, kind: MessageType, message: str) -> None:
        self._written = message
        _log.info(message)
        self._server.window_log_message(LogMessageParams(kind, message))
