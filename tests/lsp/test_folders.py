"""Several folders and languages in one window, and the models they share within a budget of memory."""

from pathlib import Path
from typing import Any

import pytest

from tests.lsp.editor import Editor

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

PYTHON = "def add(a, b):\n    return "
JAVASCRIPT = "function add(a, b) {\n  return "


async def test_each_folder_and_language_has_a_session_of_its_own(
    model_settings: dict[str, Any], tmp_path: Path
) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    async with Editor([outer, inner], model_settings) as editor:
        documents = {
            (outer, "python"): editor.open((outer / "a.py").as_uri(), PYTHON),
            (inner, "python"): editor.open((inner / "a.py").as_uri(), PYTHON),
            (inner, "javascript"): editor.open((inner / "b.ts").as_uri(), JAVASCRIPT, "typescript"),
        }
        for uri in documents.values():
            assert await editor.ask(uri, 1, 11 if uri.endswith(".py") else 9)
        sessions = (await editor.command_result("sned.status"))["sessions"]
        assert {(each["folder"], each["language"]) for each in sessions} == {
            (str(folder), language) for folder, language in documents
        }


async def test_what_exceeds_the_budget_closes_the_model_not_used_for_longest(base_model: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.gguf", tmp_path / "second.gguf"
    for link in (first, second):
        link.symlink_to(base_model)
    async with Editor([], {"memory": 0.001, "model": str(first)}) as editor:
        python = editor.open("file:///a.py", PYTHON)
        assert await editor.ask(python, 1, 11)
        other = editor.open("file:///b.js", JAVASCRIPT, "javascript")
        assert await editor.ask(other, 1, 9)  # the same file is loaded once, whatever the budget
        sessions = (await editor.command_result("sned.status"))["sessions"]
        assert [each["open"] for each in sessions] == [True, True]
        await editor.command_result("sned.switchModel", str(second))
        assert await editor.ask(python, 1, 11)
        sessions = (await editor.command_result("sned.status"))["sessions"]
        assert [(each["model"], each["open"]) for each in sessions] == [("second", True), (None, False)]
