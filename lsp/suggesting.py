"""Suggestion requests under way: the newest of each document, cancelled with it, and never for an older version."""

import asyncio
import logging

from assistant.errors import SnedError
from assistant.session import Session
from assistant.suggestion.types import NoSuggestion, Suggestion, SuggestionRequest
from lsp.settings import EditorSettings
from lsp.status import State, Status, StatusReporter

_log = logging.getLogger("sned.lsp")

_Pending = asyncio.Future[Suggestion | NoSuggestion]


class Suggesting:
    """Answers requests from the sessions; to be used in the server's own thread."""

    def __init__(self, status: StatusReporter) -> None:
        self._status = status
        self._newest: dict[str, _Pending] = {}
        self._restarted: set[Session] = set()

    async def ask(
        self, session: Session, request: SuggestionRequest, settings: EditorSettings
    ) -> Suggestion | NoSuggestion | None:
        """The suggestion for a request; None when a newer one for its document, or a change, came before.

        Raises:
            CancelledError: the client cancelled the request; computing for it stops.
        """
        uri = request.buffer.uri
        self.stop(uri)
        answer: Suggestion | NoSuggestion | None = session.from_cache(request)
        if answer is None:
            answer = await self._newest_answer(session, request, settings)
        if answer is not None:
            self._report(session, request, answer)
        return answer

    def forget_failures(self) -> None:
        """Lets the engine be started again by itself, as the user has just asked for a start."""
        self._restarted.clear()

    def stop(self, uri: str) -> None:
        """Stops computing for a document: it has changed, was closed, or something newer is asked."""
        if (pending := self._newest.pop(uri, None)) is not None:
            self._status.withdraw()
            pending.cancel()  # which reaches the model's thread through the futures in between

    async def ready(self, session: Session, uri: str | None = None) -> bool:
        """Waits until the session's model is open, and says what it waits for; False when it cannot be opened."""
        if session.is_open:
            return True
        self._status.report(Status(State.OPENING, "Opening the model.", document=uri))
        try:
            # Shielded: the opening goes on when one who waits for it is cancelled.
            await asyncio.shield(asyncio.wrap_future(session.open()))
        except SnedError as error:
            self._status.report(Status(State.FAILED, str(error), document=uri))
            return False
        selection = session.selection
        assert selection is not None
        notice = f": {selection.notice}" if selection.notice else "."
        self._status.report(Status(State.READY, f"{selection.name} is open{notice}", selection.name))
        return True

    async def _newest_answer(
        self, session: Session, request: SuggestionRequest, settings: EditorSettings
    ) -> Suggestion | NoSuggestion | None:
        uri = request.buffer.uri
        debounce = settings.debounce if request.automatic else 0
        pending: _Pending | None = None
        try:
            # A task takes the loop two more turns.
            at_once = session.is_open and not debounce
            pending = (
                self._computed(session, request)
                if at_once
                else asyncio.create_task(self._computed_later(session, request, debounce))
            )
            self._newest[uri] = pending
            answer = await pending
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                if self._newest.get(uri) is pending:
                    self.stop(uri)
                raise
            return None  # only what it waited for was stopped, by something newer
        except Exception as error:  # noqa: BLE001
            return self._failed(session, error)
        finally:
            if pending is not None and self._newest.get(uri) is pending:
                del self._newest[uri]
        if session.is_open:
            self._restarted.discard(session)
        return answer

    async def _computed_later(
        self, session: Session, request: SuggestionRequest, debounce: int
    ) -> Suggestion | NoSuggestion:
        """Computes once the user has stopped typing and the model is open."""
        if debounce:
            await asyncio.sleep(debounce / 1000)
        if not await self.ready(session, request.buffer.uri):
            last = self._status.last
            return NoSuggestion(last.message if last is not None else "No model could be opened.")
        return await self._computed(session, request)

    def _computed(self, session: Session, request: SuggestionRequest) -> _Pending:
        name = session.selection.name if session.selection is not None else None
        self._status.report_soon(Status(State.WORKING, "Computing a suggestion.", name, request.buffer.uri))
        return asyncio.wrap_future(session.suggest(request))

    def _failed(self, session: Session, error: Exception) -> NoSuggestion:
        """Starts the model again, once; after a second failure in a row the user is to decide."""
        if isinstance(error, SnedError):
            reason = str(error)
        else:
            _log.error("the engine failed", exc_info=error)
            reason = f"The engine failed ({type(error).__name__}: {error})."
        if session in self._restarted:
            self._status.report(Status(State.FAILED, f"{reason} It was started again before; sned.restart tries anew."))
            return NoSuggestion(reason)
        self._restarted.add(session)
        self._status.warn(f"{reason} The model is started again.")
        session.restart()
        return NoSuggestion(reason)

    def _report(self, session: Session, request: SuggestionRequest, answer: Suggestion | NoSuggestion) -> None:
        last = self._status.last
        if isinstance(answer, NoSuggestion) and last is not None and last.state is State.FAILED:
            return  # the failure says more
        name = session.selection.name if session.selection is not None else None
        message = answer.reason if isinstance(answer, NoSuggestion) else "A suggestion is shown."
        self._status.report(Status(State.READY, message, name, request.buffer.uri))
