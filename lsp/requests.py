"""From a client's request to the session's answer, with what every kind of completion has to heed."""

from assistant.suggestion.types import Suggestion, SuggestionRequest
from lsp.buffers import View
from lsp.server import SnedServer
from lsp.status import State, Status


async def answer_for(server: SnedServer, view: View, request: SuggestionRequest) -> Suggestion | None:
    """The suggestion for a request; None when there is none, or `view` is no longer what the client has."""
    if (reason := server.why_off(view, automatic=request.automatic)) is not None:
        server.status.report(Status(State.DISABLED, reason, document=request.buffer.uri))
        return None
    session = server.session_of(view)
    answer = await server.suggesting.ask(session, request, server.settings)
    now = server.view(view.document.uri)
    if not isinstance(answer, Suggestion) or now is None or now.buffer.version != view.buffer.version:
        return None
    server.shown += 1
    server.latest.note(request, answer.text)
    session.look_ahead(request, answer)
    return answer
