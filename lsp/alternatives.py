"""`sned.next`: another suggestion than those that were shown at a place."""

from lsprotocol import types

from assistant.suggestion.types import SuggestionRequest
from lsp.inline_completion import items
from lsp.requests import answer_for
from lsp.server import SnedServer


async def next_suggestion(server: SnedServer, uri: str, position: types.Position) -> types.InlineCompletionList | None:
    """Another suggestion, as inline completions, or the first where none was shown; None when there is none.

    A request for completions at the same place gives the same one from then on.
    """
    view = server.view(uri)
    if view is None:
        server.status.warn(f"{uri} is not open; open it to get suggestions.")
        return None
    offset = view.begin + view.document.offset_at_position(position)
    shown = server.latest.texts(view.buffer, offset)
    request = SuggestionRequest(view.buffer, offset, False, server.settings.lines, shown)
    suggestion = await answer_for(server, view, request)
    if suggestion is None:
        return None
    return types.InlineCompletionList(items(server, suggestion, types.Range(position, position), uri))
