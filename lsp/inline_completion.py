"""`textDocument/inlineCompletion`: a suggestion shown as ghost text, whole, and its first line and first word."""

from dataclasses import replace

from lsprotocol import types

from assistant.suggestion.parts import first_line, first_word
from assistant.suggestion.types import Buffer, Suggestion, SuggestionRequest
from lsp.buffers import View
from lsp.requests import answer_for
from lsp.server import SnedServer


def register(server: SnedServer) -> None:
    """Offers inline completion; without options pygls does not advertise it."""
    server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())(inline_completion)


async def inline_completion(
    server: SnedServer, params: types.InlineCompletionParams
) -> types.InlineCompletionList | None:
    """The suggestion at a position and its beginnings; None when there is none, or the document has changed since."""
    view = server.view(params.text_document.uri)
    if view is None:
        return None
    automatic = params.context.trigger_kind is types.InlineCompletionTriggerKind.Automatic
    selected = params.context.selected_completion_info
    if selected is None:
        offset = view.begin + view.document.offset_at_position(params.position)
        request = SuggestionRequest(view.buffer, offset, automatic, server.settings.lines)
        where, typed = types.Range(params.position, params.position), ""
    else:
        buffer, offset = _with_selected(view, selected)
        request = SuggestionRequest(buffer, offset, automatic, server.settings.lines)
        where, typed = selected.range, selected.text
    suggestion = await answer_for(server, view, request)
    if suggestion is None:
        return None
    return types.InlineCompletionList(items(server, suggestion, where, params.text_document.uri, typed))


def items(
    server: SnedServer, suggestion: Suggestion, where: types.Range, uri: str, typed: str = ""
) -> list[types.InlineCompletionItem]:
    """A suggestion and its beginnings, each after the text `typed` that it replaces."""
    texts = beginnings(suggestion.text) if server.settings.alternatives else [suggestion.text]
    return [_item(typed + text, where, uri) for text in texts]


def beginnings(text: str) -> list[str]:
    """A suggestion, its first line and its first word, without repetitions."""
    return list(dict.fromkeys(part for part in (text, first_line(text), first_word(text)) if part))


def _with_selected(view: View, selected: types.SelectedCompletionInfo) -> tuple[Buffer, int]:
    """The buffer as if the entry selected in the client's own menu were inserted, and where the entry ends in it."""
    begin = view.begin + view.document.offset_at_position(selected.range.start)
    end = view.begin + view.document.offset_at_position(selected.range.end)
    text = view.buffer.text
    return replace(view.buffer, text=text[:begin] + selected.text + text[end:]), begin + len(selected.text)


def _item(text: str, where: types.Range, uri: str) -> types.InlineCompletionItem:
    accept = types.Command(title="Accept", command="sned.accept", arguments=[uri, text])
    return types.InlineCompletionItem(insert_text=text, range=where, command=accept)
