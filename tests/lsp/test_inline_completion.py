"""`textDocument/inlineCompletion` from the real server and model."""

import pytest
from lsprotocol import types

from lsp.inline_completion import beginnings
from tests.lsp.editor import Editor

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

ADD = "def add(a, b):\n    return \n\n\ndef subtract(a, b):\n    return a - b\n"
LOOP = 'def total(prices):\n    """The sum of the prices."""\n    \n\n\nprint(total([1, 2, 3]))\n'


async def test_it_is_offered_instead_of_the_menu(editor: Editor) -> None:
    assert editor.offers.inline_completion_provider is not None
    assert editor.offers.completion_provider is None


async def test_the_rest_of_a_line(editor: Editor) -> None:
    uri = editor.open("file:///add.py", ADD)
    answer = await editor.ask(uri, 1, 11)
    assert answer is not None
    assert answer[0] == "a + b"
    assert "a" in answer[1:]


async def test_each_item_has_its_range_and_the_command_that_accepts_it(editor: Editor) -> None:
    uri = editor.open("file:///add2.py", ADD)
    found = await editor.client.text_document_inline_completion_async(editor.inline_params(uri, 1, 11))
    assert found is not None
    for item in found.items:
        assert item.range == types.Range(types.Position(1, 11), types.Position(1, 11))
        assert item.command.command == "sned.accept"
        assert list(item.command.arguments) == [uri, item.insert_text]


async def test_many_lines_with_their_first_line_beside(editor: Editor) -> None:
    uri = editor.open("file:///loop.py", LOOP)
    answer = await editor.ask(uri, 2, 4)
    assert answer is not None
    compile(LOOP.replace("    \n\n\n", f"    {answer[0]}\n\n\n"), "loop.py", "exec")
    assert all(answer[0].startswith(each) for each in answer)


async def test_what_follows_the_entry_selected_in_the_clients_menu(editor: Editor) -> None:
    text = "import json\n\n\ndef parse(text):\n    return json.lo\n"
    uri = editor.open("file:///parse.py", text)
    where = types.Range(types.Position(4, 16), types.Position(4, 18))
    params = editor.inline_params(uri, 4, 18)
    params.context.selected_completion_info = types.SelectedCompletionInfo(where, "loads")
    found = await editor.client.text_document_inline_completion_async(params)
    assert found is not None
    assert found.items[0].range == where
    assert found.items[0].insert_text.startswith("loads(text)")


async def test_a_document_that_is_not_open_has_none(editor: Editor) -> None:
    assert await editor.ask("file:///nowhere.py", 0, 0) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b", ["a + b", "a"]),
        ("x", ["x"]),
        ("\n    return x\n", ["\n    return x\n", "\n    return x", "\n    return"]),
        ("(x):\r\n  y", ["(x):\r\n  y", "(x):", "("]),
        ("  ", ["  "]),
    ],
)
async def test_beginnings_are_the_first_line_and_the_first_word(text: str, expected: list[str]) -> None:
    assert beginnings(text) == expected
