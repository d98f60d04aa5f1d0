"""Documents of 5 MB."""

from typing import Any

import pytest

from tests.lsp.editor import Editor

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

FUNCTION = "def function(argument):\n    value = compute(argument)\n    return value\n\n\n"


async def test_edits_in_the_middle_are_heard_and_completed(model_settings: dict[str, Any]) -> None:
    count = 5 * 1024**2 // len(FUNCTION)
    async with Editor([], model_settings) as editor:
        uri = editor.open("file:///large.py", FUNCTION * count)
        line = count // 2 * 5
        editor.insert(uri, line, 0, "def add(a, b):\n    return \n\n\n")
        answer = await editor.ask(uri, line + 1, 11)
        assert answer is not None
        assert answer[0].startswith("a + b")
        editor.insert(uri, line + 1, 11, "a ")
        answer = await editor.ask(uri, line + 1, 13)
        assert answer is not None
        assert answer[0].startswith("+ b")
