"""`sned lsp`, as an editor that asks for inline completion at every stroke."""

import asyncio
import os
from pathlib import Path
from typing import Any

import psutil
from editor import Change, Editor
from lsprotocol import types
from pygls.lsp.client import LanguageClient


class LanguageServer:
    """The language server on standard input and output."""

    name = "sned lsp"

    def __init__(self, sned: Path, model: Path, home: Path, threads: int) -> None:
        self._sned = sned
        self._model = model
        self._environment = os.environ | {"SNED_HOME": str(home), "SNED_THREADS": str(threads)}
        self._client = LanguageClient("typing", "1")
        self._version = 0
        for told in ("sned/status", types.WINDOW_LOG_MESSAGE):
            self._client.feature(told)(lambda _: None)

    async def start(self, project: Path, editor: Editor) -> psutil.Process:
        """Opens the document and waits for a first answer."""
        self._editor = editor
        self._uri = (project / editor.path).as_uri()
        await self._client.start_io(str(self._sned), "lsp", env=self._environment, cwd=project)
        await self._client.initialize_async(
            types.InitializeParams(
                process_id=os.getpid(),
                root_uri=project.as_uri(),
                capabilities=types.ClientCapabilities(
                    general=types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind.Utf32]),
                    text_document=types.TextDocumentClientCapabilities(
                        inline_completion=types.InlineCompletionClientCapabilities()
                    ),
                ),
                initialization_options={"model": str(self._model)},
            )
        )
        self._client.initialized(types.InitializedParams())
        self._client.text_document_did_open(
            types.DidOpenTextDocumentParams(types.TextDocumentItem(self._uri, "python", 0, editor.text))
        )
        self._asked = asyncio.create_task(self._suggest(-1))
        await self._asked
        server = self._client._server
        assert server is not None, "the server ended at its start"
        return psutil.Process(server.pid)

    def struck(self, change: Change) -> None:
        """Sends the change and asks for a suggestion, without waiting for it."""
        if change.removed or change.inserted:
            self._version += 1
            begin = _position(change.before, change.begin)
            end = _position(change.before, change.begin + change.removed)
            self._client.text_document_did_change(
                types.DidChangeTextDocumentParams(
                    types.VersionedTextDocumentIdentifier(self._version, self._uri),
                    [types.TextDocumentContentChangePartial(types.Range(begin, end), change.inserted)],
                )
            )
        self._editor.measures.asked += 1
        self._asked = asyncio.create_task(self._suggest(self._editor.strokes))

    async def answered(self) -> None:
        """The last request is: those before it are answered before it is."""
        await self._asked

    async def evaluated_tokens(self) -> float:
        """As the status tells."""
        params = types.ExecuteCommandParams("sned.status", [])
        status: Any = await self._client.workspace_execute_command_async(params)
        return max(float(session["evaluatedTokens"]) for session in status["sessions"])

    async def stop(self) -> None:
        """Ends the server as the protocol has it."""
        await self._client.shutdown_async(None)
        self._client.exit(None)
        await self._client.stop()  # type: ignore[no-untyped-call]

    async def _suggest(self, stroke: int) -> None:
        editor = self._editor
        answer = await self._client.text_document_inline_completion_async(
            types.InlineCompletionParams(
                types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
                types.TextDocumentIdentifier(self._uri),
                _position(editor.text, editor.cursor),
            )
        )
        items = answer.items if isinstance(answer, types.InlineCompletionList) else answer
        if items and editor.strokes == stroke:
            editor.show(str(items[0].insert_text))


def _position(text: str, offset: int) -> types.Position:
    line_begin = text.rfind("\n", 0, offset) + 1
    return types.Position(text.count("\n", 0, offset), offset - line_begin)
