"""`sned.edit`: rewritten code that the user sees first, and that never meets another text than it was made for."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lsprotocol import types

from tests.lsp.editor import Editor, capabilities

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

CODE = "class Numbers:\n    def average(self, values):\n        return sum(values) / len(values)\n\n    x = 1\n"
EDITED = "class Numbers:\n    def mean(self, values):\n        return sum(values) / len(values)\n\n    x = 1\n"
RENAME = "Rename average to mean"
METHOD = types.Range(types.Position(1, 4), types.Position(2, 40))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain(model_settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Editor]:
    """An editor that cannot ask its user about an edit."""
    can = capabilities(annotations=False)
    async with Editor([tmp_path_factory.mktemp("project")], model_settings, can) as opened:
        yield opened


def applied(text: str, edit: types.WorkspaceEdit) -> str:
    """A text after an edit, for positions that count ASCII."""
    assert edit.document_changes is not None
    (document,) = edit.document_changes
    assert isinstance(document, types.TextDocumentEdit)
    (change,) = document.edits
    lines = text.splitlines(keepends=True)
    begin, end = (
        sum(map(len, lines[: place.line])) + place.character for place in (change.range.start, change.range.end)
    )
    assert isinstance(change, types.TextEdit | types.AnnotatedTextEdit)
    return text[:begin] + change.new_text + text[end:]


async def test_the_edit_is_of_a_version_and_has_to_be_confirmed(editor: Editor) -> None:
    uri = editor.open("file:///numbers.py", CODE)
    editor.insert(uri, 4, 9, "1")
    editor.edits.clear()
    assert await editor.command_result("sned.edit", uri, METHOD, RENAME) is True
    (edit,) = editor.edits
    assert applied(CODE, edit) == EDITED
    assert edit.document_changes is not None
    (document,) = edit.document_changes
    assert isinstance(document, types.TextDocumentEdit)
    assert (document.text_document.uri, document.text_document.version) == (uri, 2)
    (change,) = document.edits
    assert isinstance(change, types.AnnotatedTextEdit)
    assert edit.change_annotations is not None
    annotation = edit.change_annotations[change.annotation_id]
    assert annotation.needs_confirmation
    assert RENAME in annotation.label
    assert editor.questions == []


async def test_an_edit_the_editor_refuses_is_told_as_such(editor: Editor) -> None:
    uri = editor.open("file:///refused.py", CODE)
    editor.applies = False
    assert await editor.command_result("sned.edit", uri, METHOD, RENAME) is False
    editor.applies = True
    assert await editor.status("did not apply")


async def test_without_confirmation_by_the_editor_the_user_sees_the_difference_first(plain: Editor) -> None:
    uri = plain.open("file:///plain.py", CODE)
    plain.chosen = "Apply"
    assert await plain.command_result("sned.edit", uri, METHOD, RENAME) is True
    assert "-    def average(self, values):\n+    def mean(self, values):\n" in plain.questions[-1]
    assert RENAME in plain.questions[-1]
    (edit,) = plain.edits
    assert applied(CODE, edit) == EDITED
    assert edit.change_annotations is None


@pytest.mark.parametrize("answer", ["Refuse", None])
async def test_what_the_user_refuses_is_not_applied(plain: Editor, answer: str | None) -> None:
    uri = plain.open("file:///refuse.py", CODE)
    plain.chosen = answer
    plain.edits.clear()
    assert await plain.command_result("sned.edit", uri, METHOD, RENAME) is False
    assert plain.edits == []
    assert await plain.status("The edit was refused")


async def test_a_document_that_changes_while_the_user_reads_is_left_alone(plain: Editor) -> None:
    uri = plain.open("file:///reading.py", CODE)
    plain.chosen = "Apply"
    plain.edits.clear()
    plain.when_asked = lambda: plain.insert(uri, 4, 9, "2")
    assert await plain.command_result("sned.edit", uri, METHOD, RENAME) is False
    plain.when_asked = lambda: None
    assert plain.edits == []
    assert await plain.message("has changed since")


async def test_a_document_that_changes_while_the_model_writes_is_left_alone(editor: Editor) -> None:
    uri = editor.open("file:///writing.py", CODE)
    editor.edits.clear()
    asked = asyncio.ensure_future(editor.answer_to("sned.edit", uri, METHOD, RENAME, token="writing"))
    async with asyncio.timeout(60):
        while not any(report.kind == "report" for report in editor.client.progress_reports.get("writing", [])):
            await asyncio.sleep(0.01)
    editor.insert(uri, 4, 9, "2")
    assert await asked is False
    assert editor.edits == []
    assert await editor.message("has changed since")


async def test_answers_are_not_sent_in_pieces(editor: Editor) -> None:
    assert not [part for part in editor.answers if part.command == "sned.edit"]


async def test_what_cannot_be_edited_is_told(editor: Editor) -> None:
    uri = editor.open("file:///what.py", CODE)
    nothing = types.Range(types.Position(3, 0), types.Position(3, 0))
    assert await editor.command_result("sned.edit", uri, nothing, RENAME) is False
    assert await editor.message("select some")
    assert await editor.command_result("sned.edit", uri, METHOD, "") is False
    assert await editor.message("The instruction is empty")
    assert await editor.command_result("sned.edit", "file:///shut.py", METHOD, RENAME) is False
    assert await editor.message("file:///shut.py is not open")


async def test_an_answer_without_code_changes_nothing() -> None:
    async with Editor(command=[sys.executable, "-m", "tests.lsp.slow_server", "0"]) as editor:
        uri = editor.open("file:///prose.py", CODE)
        assert await editor.command_result("sned.edit", uri, METHOD, RENAME) is False
        assert await editor.message("without code")
        assert editor.edits == []


async def test_an_editor_without_versions_of_edits_gets_none(model_settings: dict[str, Any], tmp_path: Path) -> None:
    async with Editor([tmp_path], model_settings, capabilities(versions=False)) as editor:
        uri = editor.open("file:///old.py", CODE)
        assert await editor.command_result("sned.edit", uri, METHOD, RENAME) is False
        assert await editor.message("documentChanges")
        assert editor.edits == []
