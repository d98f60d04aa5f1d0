"""An editor for tests: it starts the real server, edits documents as editors do, and keeps what it is told."""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lsprotocol import types
from pytest_lsp import LanguageClient
from pytest_lsp.client import make_test_lsp_client

SNED = [str(Path(sys.executable).with_name("sned")), "lsp"]


def capabilities(
    *,
    inline: bool = True,
    snippets: bool = False,
    configuration: bool = False,
    encodings: list[str] | None = None,
    versions: bool = True,
    annotations: bool = True,
) -> Any:
    """What an editor can do: ghost text or not, snippets, the encodings it counts in, and which edits it takes."""
    edits = types.WorkspaceEditClientCapabilities(
        document_changes=versions,
        change_annotation_support=types.ChangeAnnotationsSupportOptions() if annotations else None,
    )
    return types.ClientCapabilities(
        general=types.GeneralClientCapabilities(position_encodings=encodings),
        notebook_document=types.NotebookDocumentClientCapabilities(types.NotebookDocumentSyncClientCapabilities()),
        window=types.WindowClientCapabilities(work_done_progress=True),
        workspace=types.WorkspaceClientCapabilities(apply_edit=True, workspace_edit=edits, configuration=configuration),
        text_document=types.TextDocumentClientCapabilities(
            completion=types.CompletionClientCapabilities(
                completion_item=types.ClientCompletionItemOptions(snippet_support=snippets)
            ),
            inline_completion=types.InlineCompletionClientCapabilities() if inline else None,
        ),
    )


@dataclass
class Editor:
    """Use it as an async context manager."""

    folders: list[Path] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    can: Any = field(default_factory=capabilities)
    command: list[str] = field(default_factory=lambda: SNED)
    environment: dict[str, str] = field(default_factory=dict)
    configuration: dict[str, Any] | None = None
    chosen: str | None = None
    name: str = "test"

    client: LanguageClient = field(init=False)
    offers: types.ServerCapabilities = field(init=False)
    questions: list[str] = field(default_factory=list)
    statuses: list[Any] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    edits: list[types.WorkspaceEdit] = field(default_factory=list)
    applies: bool = True
    when_asked: Callable[[], None] = lambda: None
    versions: dict[str, int] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self.client = make_test_lsp_client()

        # Functions of their own: pygls marks what it is given, and methods cannot be marked.
        def keep(status: Any) -> None:
            self.statuses.append(status)

        def choose(params: types.ShowMessageRequestParams) -> types.MessageActionItem | None:
            self.questions.append(params.message)
            self.when_asked()
            return next((each for each in params.actions or () if each.title == self.chosen), None)

        def hear(part: Any) -> None:
            self.answers.append(part)

        def apply(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
            self.edits.append(params.edit)
            return types.ApplyWorkspaceEditResult(applied=self.applies)

        self.client.feature("sned/status")(keep)
        self.client.feature("sned/answer")(hear)
        self.client.feature(types.WORKSPACE_APPLY_EDIT)(apply)
        self.client.feature(types.WINDOW_SHOW_MESSAGE_REQUEST)(choose)
        if self.configuration is not None:
            self.client.set_configuration({"sned": self.configuration})
        await self.client.start_io(*self.command, env=os.environ | self.environment)
        answer = await self.client.initialize_session(
            types.InitializeParams(
                capabilities=self.can,
                client_info=types.ClientInfo(self.name),
                workspace_folders=[types.WorkspaceFolder(each.as_uri(), each.name) for each in self.folders],
                initialization_options=self.settings,
            )
        )
        self.offers = answer.capabilities
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.client._server is not None and self.client._server.returncode is None:
            await self.client.shutdown_session()
        await self.client.stop()

    def open(self, uri: str, text: str, language: str = "python") -> str:
        """Opens a document; its URI comes back."""
        self.versions[uri] = 1
        item = types.TextDocumentItem(uri, language, 1, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return uri

    def edit(self, uri: str, where: types.Range, text: str) -> None:
        """Replaces a range."""
        self.versions[uri] += 1
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(self.versions[uri], uri),
                [types.TextDocumentContentChangePartial(range=where, text=text)],
            )
        )

    def insert(self, uri: str, line: int, character: int, text: str) -> None:
        """Types text at a place."""
        place = types.Position(line, character)
        self.edit(uri, types.Range(place, place), text)

    def close(self, uri: str) -> None:
        """Closes a document."""
        self.client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))

    async def ask(self, uri: str, line: int, character: int, *, by_key: bool = True) -> list[str] | None:
        """The texts of the inline completions at a place; None where the server says null."""
        found = await self.client.text_document_inline_completion_async(
            self.inline_params(uri, line, character, by_key)
        )
        return None if found is None else [item.insert_text for item in found.items]

    def inline_params(self, uri: str, line: int, character: int, by_key: bool = True) -> types.InlineCompletionParams:
        """The parameters of an inline completion request."""
        kind = types.InlineCompletionTriggerKind
        return types.InlineCompletionParams(
            types.InlineCompletionContext(kind.Invoked if by_key else kind.Automatic),
            types.TextDocumentIdentifier(uri),
            types.Position(line, character),
        )

    async def command_result(self, command: str, *arguments: Any) -> Any:
        """What a command gives."""
        params = types.ExecuteCommandParams(command, list(arguments))
        return await self.client.workspace_execute_command_async(params)

    async def answer_to(self, command: str, *arguments: Any, token: str | None = None) -> Any:
        """What a command gives that comes with a token for its progress."""
        if token is not None:
            self.client.progress_reports.setdefault(token, [])  # a token is the client's own, so it knows it
        params = types.ExecuteCommandParams(command, list(arguments), token)
        return await self.client.workspace_execute_command_async(params)

    async def status(self, word: str, seconds: float = 60) -> Any:
        """The first status, past or to come, whose state or message has `word`."""
        return await self._until(self.statuses, lambda each: word in each.state or word in each.message, seconds)

    async def message(self, word: str, seconds: float = 60) -> str:
        """The first message shown to the user, past or to come, that has `word`."""
        return (await self._until(self.client.messages, lambda each: word in each.message, seconds)).message

    async def _until(self, kept: list[Any], fits: Any, seconds: float) -> Any:
        async with asyncio.timeout(seconds):
            while True:
                for each in list(kept):
                    if fits(each):
                        return each
                await asyncio.sleep(0.01)
