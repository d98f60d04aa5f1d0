"""`textDocument/completion`, for clients without inline completion: the suggestion as an entry of the menu."""

import re

from lsprotocol import types

from assistant.suggestion.types import SuggestionRequest
from lsp.inline_completion import beginnings
from lsp.requests import answer_for
from lsp.server import SnedServer

_TRIGGERS = [".", "(", "[", "{", ",", " ", "=", ":", "/", '"', "'"]


def register(server: SnedServer) -> None:
    """Offers completion in the client's menu."""
    server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=_TRIGGERS))(completion)


async def completion(server: SnedServer, params: types.CompletionParams) -> types.CompletionList | None:
    """The suggestion at a position, whole and its first line; None when there is none, or the document has changed.

    Clients keep entries that begin like the text they replace: so an entry replaces the cursor's line from its
    beginning, and is filtered by that line. The list is never complete: it is asked for again at every keystroke.
    """
    view = server.view(params.text_document.uri)
    if view is None:
        return None
    cursor = view.document.offset_at_position(params.position)
    asked = params.context is None or params.context.trigger_kind is types.CompletionTriggerKind.Invoked
    request = SuggestionRequest(view.buffer, view.begin + cursor, not asked, server.settings.lines)
    suggestion = await answer_for(server, view, request)
    if suggestion is None:
        return None
    end = view.document.position_at(cursor)
    begin = types.Position(end.line, 0)
    head = view.document.source[view.document.offset_at_position(begin) : cursor]
    where = types.Range(begin, end)
    texts = beginnings(suggestion.text)[: 2 if server.settings.alternatives else 1]
    items = [_item(head, text, where, rank) for rank, text in enumerate(texts)]
    return types.CompletionList(True, [_as_snippet(item) for item in items] if server.takes_snippets else items)


def _item(head: str, text: str, where: types.Range, rank: int) -> types.CompletionItem:
    whole = head + text
    lines = whole.strip().splitlines() or [whole]
    return types.CompletionItem(
        label=lines[0] if len(lines) == 1 else f"{lines[0]} …",
        kind=types.CompletionItemKind.Text,
        detail="sned",
        documentation=whole,
        sort_text=f"0{rank}",
        filter_text=head + text.partition("\n")[0],
        preselect=rank == 0,
        insert_text_format=types.InsertTextFormat.PlainText,
        insert_text_mode=types.InsertTextMode.AsIs,
        text_edit=types.TextEdit(where, whole),
    )


def wants_snippets(params: types.InitializeParams) -> bool:
    """Whether a client has to be given snippets: of a plain text edit Neovim 0.11 inserts only the first word."""
    return params.client_info is not None and params.client_info.name == "Neovim"


def _as_snippet(item: types.CompletionItem) -> types.CompletionItem:
    assert isinstance(item.text_edit, types.TextEdit)
    text = re.sub(r"[\\$}]", r"\\\g<0>", item.text_edit.new_text)
    item.insert_text_format = types.InsertTextFormat.Snippet
    item.text_edit = types.TextEdit(item.text_edit.range, text)
    return item
