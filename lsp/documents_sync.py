"""Documents being opened, edited and closed, cells of notebooks too; pygls keeps their text before these are called."""

from collections.abc import Sequence

from lsprotocol import types

from lsp.documents import Document
from lsp.provisioning import offer_missing
from lsp.server import SnedServer


def register(server: SnedServer) -> None:
    """Has the server hear of documents."""
    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(opened)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(changed)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(closed)
    server.feature(types.NOTEBOOK_DOCUMENT_DID_OPEN)(notebook_opened)
    server.feature(types.NOTEBOOK_DOCUMENT_DID_CHANGE)(notebook_changed)


async def opened(server: SnedServer, params: types.DidOpenTextDocumentParams) -> None:
    """Opens the model of the document's language ahead of the first request."""
    await _open(server, params.text_document.uri)


async def notebook_opened(server: SnedServer, params: types.DidOpenNotebookDocumentParams) -> None:
    """Opens the model of the cells' language ahead of the first request."""
    if params.cell_text_documents:
        await _open(server, params.cell_text_documents[0].uri)


def changed(server: SnedServer, params: types.DidChangeTextDocumentParams) -> None:
    """Stops what is computed for the text that was, and tells the session where the user is at work."""
    _changed(server, params.text_document.uri, params.content_changes)


def notebook_changed(server: SnedServer, params: types.DidChangeNotebookDocumentParams) -> None:
    """The same, for each cell that changed."""
    cells = params.change.cells
    for each in (cells.text_content if cells is not None else None) or ():
        _changed(server, each.document.uri, each.changes)
    server.suggesting.stop(params.notebook_document.uri)


def closed(server: SnedServer, params: types.DidCloseTextDocumentParams) -> None:
    """Stops what is computed for a document; its text goes on to be context until the session drops it."""
    uri = params.text_document.uri
    server.suggesting.stop(uri)
    for session in server.sessions.all():
        session.document_closed(uri)


async def _open(server: SnedServer, uri: str) -> None:
    view = server.view(uri)
    if view is None or server.why_off(view, automatic=False) is not None:
        return
    session = server.session_of(view)
    session.document_opened(view.buffer)
    if await server.suggesting.ready(session, view.buffer.uri):
        session.read_ahead(view.buffer)
    await offer_missing(server, session, uri)


def _changed(server: SnedServer, uri: str, changes: Sequence[types.TextDocumentContentChangeEvent]) -> None:
    view = server.view(uri)
    if view is None:
        return
    offset = _offset_after(view.document, changes[-1]) if changes else 0
    # First, so that the session knows the text for which nobody waits any more.
    server.session_of(view).document_edited(view.buffer, view.begin + offset)
    server.suggesting.stop(view.buffer.uri)


def _offset_after(document: Document, change: types.TextDocumentContentChangeEvent) -> int:
    """Where a change ends in the text it led to."""
    if isinstance(change, types.TextDocumentContentChangePartial):
        return document.offset_at_position(change.range.start) + len(change.text)
    return len(change.text)
