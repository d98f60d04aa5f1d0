"""`textDocument/completion` for clients without inline completion."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lsprotocol import types

from tests.lsp.editor import Editor, capabilities

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def menu(model_settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Editor]:
    folder: Path = tmp_path_factory.mktemp("project")
    async with Editor([folder], model_settings, capabilities(inline=False)) as opened:
        yield opened


async def complete(editor: Editor, uri: str, line: int, character: int) -> types.CompletionList | None:
    params = types.CompletionParams(types.TextDocumentIdentifier(uri), types.Position(line, character))
    answer = await editor.client.text_document_completion_async(params)
    assert answer is None or isinstance(answer, types.CompletionList)
    return answer


async def test_it_is_offered_only_here(menu: Editor) -> None:
    assert menu.offers.inline_completion_provider is None
    assert menu.offers.completion_provider is not None


async def test_an_entry_replaces_the_line_it_is_filtered_by(menu: Editor) -> None:
    uri = menu.open("file:///menu.py", "x = '😀'\ndef add(a, b):\n    return \n")
    found = await complete(menu, uri, 2, 11)
    assert found is not None
    assert found.is_incomplete
    item = found.items[0]
    edit = item.text_edit
    assert isinstance(edit, types.TextEdit)
    assert edit.range == types.Range(types.Position(2, 0), types.Position(2, 11))
    assert edit.new_text == "    return a + b"
    assert item.filter_text == "    return a + b"
    assert item.label == "return a + b"


async def test_after_wide_characters_the_range_is_in_the_clients_units(menu: Editor) -> None:
    text = "first = ['😀', '😃']\nsmileys = {'😀': 'grin', '😃': "
    uri = menu.open("file:///wide.py", text)
    found = await complete(menu, uri, 1, 30)
    assert found is not None
    edit = found.items[0].text_edit
    assert isinstance(edit, types.TextEdit)
    assert edit.range == types.Range(types.Position(1, 0), types.Position(1, 30))
    assert edit.new_text.startswith("smileys = {'😀': 'grin', '😃': ")


async def test_neovim_is_given_snippets_that_stand_for_the_text(model_settings: dict[str, Any]) -> None:
    async with Editor([], model_settings, capabilities(inline=False, snippets=True), name="Neovim") as editor:
        uri = editor.open("file:///menu.py", "price = '${5}'  # \\\ndef add(a, b):\n    return '$' and ")
        found = await complete(editor, uri, 2, 19)
        assert found is not None
        assert found.items[0].insert_text_format is types.InsertTextFormat.Snippet
        edit = found.items[0].text_edit
        assert isinstance(edit, types.TextEdit)
        assert edit.new_text.startswith("    return '\\$' and ")
