"""`workspace/executeCommand`, with the status that commands lead to."""

from pathlib import Path
from typing import Any

import pytest
from pygls.exceptions import JsonRpcException

from tests.lsp.editor import Editor

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

ADD = "def add(a, b):\n    return "


async def test_status_counts_what_was_shown_and_accepted(editor: Editor) -> None:
    uri = editor.open("file:///a.py", ADD)
    before = await editor.command_result("sned.status")
    answer = await editor.ask(uri, 1, 11)
    assert answer is not None
    await editor.command_result("sned.accept", uri, answer[0])
    after = await editor.command_result("sned.status")
    assert (after["shown"], after["accepted"]) == (before["shown"] + 1, before["accepted"] + 1)
    assert any(session["open"] and session["language"] == "python" for session in after["sessions"])
    assert all(session["evaluatedTokens"] > 0 for session in after["sessions"] if session["open"])


async def test_after_a_restart_the_next_request_opens_the_model_again(editor: Editor) -> None:
    uri = editor.open("file:///b.py", ADD)
    assert await editor.ask(uri, 1, 11)
    await editor.command_result("sned.restart")
    assert not any(session["open"] for session in (await editor.command_result("sned.status"))["sessions"])
    assert await editor.ask(uri, 1, 11)


async def test_another_model_can_be_taken(editor: Editor, base_model: Path, tmp_path: Path) -> None:
    uri = editor.open("file:///c.py", ADD)
    assert await editor.ask(uri, 1, 11)
    other = tmp_path / "other.gguf"
    other.symlink_to(base_model)
    assert await editor.command_result("sned.switchModel", str(other)) == "other"
    assert await editor.ask(uri, 1, 11)
    models = {session["model"] for session in (await editor.command_result("sned.status"))["sessions"]}
    assert models == {"other"}


async def test_an_unknown_model_is_refused_and_the_old_one_stays(editor: Editor) -> None:
    assert await editor.command_result("sned.switchModel", "gpt-17") is None
    assert "'gpt-17'" in await editor.message("gpt-17")
    uri = editor.open("file:///d.py", ADD)
    assert await editor.ask(uri, 1, 11)


@pytest.mark.parametrize(
    ("command", "arguments"), [("sned.fly", []), ("sned.accept", ["too few"]), ("sned.build", [1, 2, 3])]
)
async def test_bad_commands_are_errors(editor: Editor, command: str, arguments: list[Any]) -> None:
    with pytest.raises(JsonRpcException):
        await editor.command_result(command, *arguments)
