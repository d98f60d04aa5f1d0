"""`sned.next`: another suggestion at the same place, for as long as there are any."""

import pytest
from lsprotocol import types

from tests.lsp.editor import Editor

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

FIB = "def fib(n):\n"


async def following(editor: Editor, uri: str, line: int, character: int) -> str | None:
    """The whole of what `sned.next` gives."""
    found = await editor.command_result("sned.next", uri, types.Position(line, character))
    if found is None:
        return None
    whole = found["items"][0]
    assert whole["range"] == {
        "start": {"line": line, "character": character},
        "end": {"line": line, "character": character},
    }
    assert whole["command"]["arguments"] == [uri, whole["insertText"]]
    text: str = whole["insertText"]
    return text


async def test_each_is_another_and_is_what_requests_get_from_then_on(editor: Editor) -> None:
    uri = editor.open("file:///fib.py", FIB)
    first = await editor.ask(uri, 1, 0)
    assert first is not None
    shown = {first[0].strip()}
    for _ in range(2):
        text = await following(editor, uri, 1, 0)
        assert text is not None
        assert text.strip() not in shown
        shown.add(text.strip())
        again = await editor.ask(uri, 1, 0)
        assert again is not None
        assert again[0] == text


async def test_where_nothing_was_shown_it_is_the_first(editor: Editor) -> None:
    uri = editor.open("file:///first.py", FIB)
    text = await following(editor, uri, 1, 0)
    again = await editor.ask(uri, 1, 0)
    assert again is not None
    assert again[0] == text


async def test_typing_begins_anew(editor: Editor) -> None:
    uri = editor.open("file:///typing.py", FIB)
    await editor.ask(uri, 1, 0)
    text = await following(editor, uri, 1, 0)
    assert text is not None
    editor.insert(uri, 1, 0, text[:6])
    assert await following(editor, uri, 1, 6) == text[6:]  # not shown here yet


async def test_when_there_is_nothing_else_the_status_says_so(editor: Editor) -> None:
    uri = editor.open("file:///add.py", "def add(a, b):\n    return ")
    assert await editor.ask(uri, 1, 11)
    assert await following(editor, uri, 1, 11) is None
    assert (await editor.status("no other suggestion here")).document == uri


async def test_a_document_that_is_not_open_is_named(editor: Editor) -> None:
    assert await following(editor, "file:///unknown.py", 0, 0) is None
    assert await editor.message("file:///unknown.py is not open")
