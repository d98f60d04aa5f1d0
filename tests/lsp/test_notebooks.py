"""Cells of notebooks: each sees those before it, and edits reach them."""

import pytest
from lsprotocol import types

from tests.lsp.editor import Editor

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

NOTEBOOK = "file:///book.ipynb"
CELLS = {
    "file:///book.ipynb#1": "def multiply_by_seven(number):\n    return number * 7\n",
    "file:///book.ipynb#2": "",
}


def open_notebook(editor: Editor) -> None:
    kind = types.NotebookCellKind.Code
    editor.client.notebook_document_did_open(
        types.DidOpenNotebookDocumentParams(
            types.NotebookDocument(NOTEBOOK, "jupyter-notebook", 1, [types.NotebookCell(kind, uri) for uri in CELLS]),
            [types.TextDocumentItem(uri, "python", 1, text) for uri, text in CELLS.items()],
        )
    )


async def test_a_cell_is_completed_with_the_cells_before_it(editor: Editor) -> None:
    open_notebook(editor)
    cell = "file:///book.ipynb#2"
    where = types.Range(types.Position(0, 0), types.Position(0, 0))
    text = "# 7 times 6\nanswer = multi"
    editor.client.notebook_document_did_change(
        types.DidChangeNotebookDocumentParams(
            types.VersionedNotebookDocumentIdentifier(2, NOTEBOOK),
            types.NotebookDocumentChangeEvent(
                cells=types.NotebookDocumentCellChanges(
                    text_content=[
                        types.NotebookDocumentCellContentChanges(
                            types.VersionedTextDocumentIdentifier(2, cell),
                            [types.TextDocumentContentChangePartial(range=where, text=text)],
                        )
                    ]
                )
            ),
        )
    )
    answer = await editor.ask(cell, 1, len("answer = multi"))
    assert answer is not None
    assert answer[0].startswith("ply_by_seven(")
