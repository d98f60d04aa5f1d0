"""Columns in the client's units, in the request and in the answer."""

from typing import Any

import pytest
from lsprotocol import types

from tests.lsp.editor import Editor, capabilities

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

LINE = "    print('😀é'); "


@pytest.mark.parametrize(
    ("encoding", "units"),
    [("utf-8", len(LINE.encode())), ("utf-16", len(LINE) + 1), ("utf-32", len(LINE))],
)
async def test_a_suggestion_after_wide_characters(model_settings: dict[str, Any], encoding: str, units: int) -> None:
    async with Editor([], model_settings, capabilities(encodings=[encoding])) as editor:
        assert editor.offers.position_encoding == types.PositionEncodingKind(encoding)
        uri = editor.open("file:///wide.py", "def add(a, b):\n\n")
        editor.insert(uri, 1, 0, LINE)
        editor.insert(uri, 1, units, "return ")
        answer = await editor.ask(uri, 1, units + len("return "))
        assert answer is not None
        assert answer[0] == "a + b"


async def test_the_first_encoding_we_know_is_taken(model_settings: dict[str, Any]) -> None:
    async with Editor([], model_settings, capabilities(encodings=["utf-7", "utf-32", "utf-8"])) as editor:
        assert editor.offers.position_encoding == types.PositionEncodingKind.Utf32
