"""Work-done progress: what the client shows while something takes long, and can cancel."""

import asyncio
import uuid

from lsprotocol import types

from lsp.server import SnedServer


class Progress:
    """Work the client shows and can cancel, if it can; use it as a context manager.

    Attributes:
        token: the progress's name: the one a client's request came with, or one made here.
        cancellation: is cancelled when the user cancels the work.
    """

    def __init__(self, server: SnedServer, title: str, token: types.ProgressToken | None = None) -> None:
        """Work called `title`; with the `token` of its request, the client need not be asked for a place to show it."""
        self._progress = server.work_done_progress
        self._title = title
        self._given = token is not None
        window = server.client_capabilities.window
        self._shown = self._given or (window is not None and bool(window.work_done_progress))
        self._percentage = 0
        self.token = token if token is not None else str(uuid.uuid4())
        self.cancellation: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def cancelled(self) -> bool:
        """Whether the user has cancelled the work."""
        return self.cancellation.cancelled()

    async def __aenter__(self) -> "Progress":
        if self._shown:
            if not self._given:
                await self._progress.create_async(self.token)
            begin = types.WorkDoneProgressBegin(self._title, cancellable=True)
            self._progress.begin(self.token, begin)
            self.cancellation = asyncio.wrap_future(self._progress.tokens[self.token])
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._shown:
            self._progress.tokens.pop(self.token, None)
            self._progress.end(self.token, types.WorkDoneProgressEnd())

    def report(self, message: str, fraction: float | None = None) -> None:
        """Says what is being done, and how far it is from 0 to 1 if that is known; percentages never fall."""
        if not self._shown:
            return
        percentage = None
        if fraction is not None:
            percentage = self._percentage = max(self._percentage, min(100, int(100 * fraction)))
        self._progress.report(self.token, types.WorkDoneProgressReport(message=message, percentage=percentage))
