"""`sned.edit`: the selection rewritten by an instruction, as an edit that the user sees and may refuse."""

from dataclasses import dataclass, replace

from lsprotocol import types

from assistant.chat.requests import rewrite
from assistant.chat.rewriting import rewritten, target_of, unified_diff
from assistant.chat.types import ChatOptions
from assistant.errors import AnswerError, UsageError
from lsp.answering import Question, answer
from lsp.buffers import View
from lsp.chatting import excerpt_of
from lsp.server import SnedServer
from lsp.status import State, Status

_ANNOTATION = "sned.edit"
_APPLY, _REFUSE = "Apply", "Refuse"
_CHANGED = "The document has changed since the edit was asked for, so it is not applied; ask again."
# Greedy: the likeliest code, not a varied one.
_OPTIONS = ChatOptions(max_tokens=2048, temperature=0.0)


@dataclass(frozen=True, slots=True)
class _Edit:
    """A change of one document's version.

    Attributes:
        uri: the document.
        version: the version it is a change of.
        where: what is replaced.
        text: with what.
        label: what it is called to the user.
        diff: the change as `diff -u` shows it.
    """

    uri: str
    version: int
    where: types.Range
    text: str
    label: str
    diff: str


async def edit(server: SnedServer, uri: str, where: types.Range, instruction: str) -> bool:
    """Rewrites the selection by an instruction; whether the document was changed comes back.

    The user is told why it was not: nothing is changed without their consent, or once the document has changed.
    """
    if not _takes_versions(server):
        server.status.warn(
            "This editor cannot be given edits of a version (workspaceEdit.documentChanges), so nothing is changed; "
            "ask with sned.chat instead."
        )
        return False
    view = server.view(uri)
    if view is None:
        server.status.warn(f"{uri} is not open; open it and select what is to be edited.")
        return False
    try:
        made = await _made(server, view, where, instruction)
    except (UsageError, AnswerError) as error:
        server.status.warn(str(error))
        return False
    if made is None:
        return False
    return await _apply(server, made)


async def _made(server: SnedServer, view: View, where: types.Range, instruction: str) -> _Edit | None:
    """The edit the model makes; None when the user was told why there is none.

    Raises:
        UsageError: nothing is selected, or there is no instruction.
        AnswerError: the model's answer is unfinished or has no code.
    """
    document, source, version = view.document, view.document.source, view.document.version or 0
    target = target_of(source, *map(document.offset_at_position, (where.start, where.end)))
    if not instruction.strip():
        raise UsageError("The instruction is empty; write how the selection is to be changed.")
    shown = excerpt_of(server, view, target.begin, target.end)
    conversation = rewrite(replace(shown, text=target.code), instruction)
    question = Question("sned.edit", view, "Editing the selection", conversation, _OPTIONS, streamed=False)
    reply = await answer(server, question)
    if reply is None:
        return None
    if not _is_current(server, document.uri, version):
        raise AnswerError(_CHANGED)
    text = rewritten(target, reply.text, reply.usage.stop_reason, shown.language_id)
    if text == target.text:
        raise AnswerError("The model left the selection as it is; word the instruction otherwise.")
    place = types.Range(document.position_at(target.begin), document.position_at(target.end))
    after = source[: target.begin] + text + source[target.end :]
    return _Edit(document.uri, version, place, text, f"sned: {instruction}", unified_diff(shown.path, source, after))


async def _apply(server: SnedServer, made: _Edit) -> bool:
    """Has the client apply an edit once its user agrees: by its own preview, or to the difference in a message."""
    annotated = _takes_annotations(server)
    if not annotated and not await _agrees(server, made):
        server.status.report(Status(State.READY, "The edit was refused.", document=made.uri))
        return False
    if not _is_current(server, made.uri, made.version):
        server.status.warn(_CHANGED)
        return False
    edit = types.AnnotatedTextEdit(_ANNOTATION, made.where, made.text) if annotated else None
    document = types.OptionalVersionedTextDocumentIdentifier(made.uri, made.version)
    changes = types.TextDocumentEdit(document, [edit or types.TextEdit(made.where, made.text)])
    annotation = types.ChangeAnnotation(made.label, needs_confirmation=True, description=made.uri)
    answered = await server.workspace_apply_edit_async(
        types.ApplyWorkspaceEditParams(
            types.WorkspaceEdit(
                document_changes=[changes], change_annotations={_ANNOTATION: annotation} if annotated else None
            ),
            made.label,
        )
    )
    reason = f": {answered.failure_reason}" if answered.failure_reason else ""
    said = "The selection was edited." if answered.applied else f"The editor did not apply the edit{reason}."
    server.status.report(Status(State.READY, said, document=made.uri))
    return answered.applied


async def _agrees(server: SnedServer, made: _Edit) -> bool:
    choices = [types.MessageActionItem(_APPLY), types.MessageActionItem(_REFUSE)]
    question = types.ShowMessageRequestParams(types.MessageType.Info, f"{made.label}\n\n{made.diff}", choices)
    chosen = await server.window_show_message_request_async(question)
    return chosen is not None and chosen.title == _APPLY


def _is_current(server: SnedServer, uri: str, version: int) -> bool:
    view = server.view(uri)
    return view is not None and view.document.version == version


def _edit_capabilities(server: SnedServer) -> types.WorkspaceEditClientCapabilities:
    workspace = server.client_capabilities.workspace
    found = workspace.workspace_edit if workspace is not None and workspace.apply_edit else None
    return found or types.WorkspaceEditClientCapabilities()


def _takes_versions(server: SnedServer) -> bool:
    return bool(_edit_capabilities(server).document_changes)


def _takes_annotations(server: SnedServer) -> bool:
    return _edit_capabilities(server).change_annotation_support is not None
