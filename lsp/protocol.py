"""The protocol with no request left unanswered: pygls only logs those it cannot read, and those after shutdown."""

import asyncio
import json
import logging
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any

from cattrs import Converter
from lsprotocol.types import (
    EXIT,
    METHOD_TO_TYPES,
    SHUTDOWN,
    TEXT_DOCUMENT_DID_CHANGE,
    WORKSPACE_EXECUTE_COMMAND,
    DidChangeTextDocumentParams,
    ErrorCodes,
    ExecuteCommandParams,
    ProgressToken,
    ResponseError,
    ResponseErrorMessage,
    TextDocumentSyncKind,
)
from pygls.exceptions import JsonRpcException, JsonRpcMethodNotFound
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol
from pygls.protocol.json_rpc import RPCMessage
from pygls.protocol.language_server import lsp_method

from lsp.documents import Documents
from lsp.pending import PendingFutures

_log = logging.getLogger("sned.lsp")

_work_done_token: ContextVar[ProgressToken | None] = ContextVar("work_done_token", default=None)


class Protocol(LanguageServerProtocol):
    """pygls's protocol, with our documents and an answer to every request."""

    def __init__(self, server: LanguageServer, converter: Converter) -> None:
        """As pygls makes it for a server."""
        super().__init__(server, converter)
        self._request_futures = self._pending = PendingFutures()
        self._closing: Future[Any] | None = None

    def use_fast_documents(self) -> None:
        """Keeps the documents in `lsp.documents`; to be called while initialising, before any is open."""
        pygls_workspace = self.workspace
        self._workspace = Documents(
            pygls_workspace.root_uri,
            TextDocumentSyncKind.Incremental,
            list(pygls_workspace.folders.values()),
            pygls_workspace.position_encoding,
        )

    async def closed(self) -> None:
        """Waits until a shutdown that was asked for is answered, if one was."""
        if self._closing is not None:
            await asyncio.wait([asyncio.wrap_future(self._closing)])

    @property
    def work_done_token(self) -> ProgressToken | None:
        """The token that the command being executed came with; None if it came without."""
        return _work_done_token.get()

    @lsp_method(WORKSPACE_EXECUTE_COMMAND)
    def lsp_workspace__execute_command(self, params: ExecuteCommandParams) -> Generator[Any, Any, Any]:
        """Executes a command; pygls gives it its arguments alone."""
        _work_done_token.set(params.work_done_token)
        return (yield from super().lsp_workspace__execute_command(params))

    # pygls has a generator for it, and a future for each of its steps.
    @lsp_method(TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: DidChangeTextDocumentParams) -> None:
        """Makes the changes, and then tells of them."""
        for change in params.content_changes:
            self.workspace.update_text_document(params.text_document, change)
        if (handler := self.fm.features.get(TEXT_DOCUMENT_DID_CHANGE)) is not None:
            handler(params)

    def structure_message(self, data: dict[str, Any]) -> Any:
        """The message as lsprotocol's types; a request whose parameters do not fit is answered with an error."""
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "method" in data and isinstance(data.get("id"), int | str):
                # pygls cannot read an unknown method's request without parameters, which may be left out.
                known = data["method"] in METHOD_TO_TYPES
                reason = error if known else JsonRpcMethodNotFound.of(data["method"])
                self._send_response(data["id"], error=reason.to_response_error())
            raise

    def handle_message(self, message: RPCMessage) -> None:
        """Handles a message; requests after shutdown get the error that the protocol wants for them."""
        method, name, params = (getattr(message, each, None) for each in ("method", "id", "params"))
        if self._shutdown and method is not None and name is not None:
            error = ResponseError(ErrorCodes.InvalidRequest, "The server is shutting down.")
            self._send_response(name, error=error)
        elif method == EXIT and self._closing is not None and not self._closing.done():
            # Its answer comes first, and what it waits for would be cut off.
            self._closing.add_done_callback(
                lambda _: asyncio.get_running_loop().call_soon(self.handle_message, message)
            )
        elif self._shutdown or method is None or message.jsonrpc != self.VERSION:
            super().handle_message(message)
        # What follows is pygls's, but for its checks of the message's type: they cost as much as the rest.
        elif name is not None:
            copy_context().run(self._handle_request, name, method, params)
            if method == SHUTDOWN:
                self._closing = self._pending.get(name)
        else:
            copy_context().run(self._handle_notification, method, params)

    def _execute_handler(
        self,
        msg_id: str | int,
        handler: Callable[..., Any],
        callback: Callable[[Future[Any]], None],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        super()._execute_handler(msg_id, handler, callback, args, kwargs)
        request = callback.keywords.get("result_future") if isinstance(callback, partial) else None
        if request is not None:
            self._pending.cancel_with(request, msg_id)

    def answer_unreadable(self, error: Exception) -> None:
        """Answers a message that could not be handled, where nothing tells which request it was; logs it."""
        _log.warning("a message of the client could not be handled: %s", error)
        if isinstance(error, json.JSONDecodeError):
            answer = ResponseError(ErrorCodes.ParseError, f"The message is not JSON: {error}.")
            self._send_data(ResponseErrorMessage(id=None, error=answer))
