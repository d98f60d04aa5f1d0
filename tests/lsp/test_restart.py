"""A server that ends, and the next one, which goes on with what it has evaluated."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assistant.settings import load_settings
from tests.lsp.editor import Editor

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

TEXT = "".join(f"def scaled_{n}(length):\n    return length * {n}\n\n\n" for n in range(16))
TEXT += "def area(width, height):\n    return "
LINE, COLUMN = TEXT.count("\n"), len("    return ")


@pytest.fixture
def editor(model_settings: dict[str, Any], tmp_path: Path) -> Callable[..., Editor]:
    """Opens a window on a project, with a store of its own that has the user's base models."""
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    (project / "main.py").write_text(TEXT)
    (home / "bases").symlink_to(load_settings().home / "bases")
    environment = {"SNED_HOME": str(home), "SNED_SAVE_CACHE": "true"}

    def opened(**more: str) -> Editor:
        return Editor([project], model_settings, environment=environment | more)

    return opened


async def first_suggestion(editor: Editor) -> int:
    """Opens the file and asks as typing does; the tokens evaluated for that come back."""
    uri = editor.open((editor.folders[0] / "main.py").as_uri(), TEXT)
    assert await editor.ask(uri, LINE, COLUMN, by_key=False)
    return await evaluated(editor)


async def evaluated(editor: Editor) -> int:
    (session,) = (await editor.command_result("sned.status"))["sessions"]
    return int(session["evaluatedTokens"])


async def still(editor: Editor) -> None:
    """Waits until there is nothing more to do."""
    tokens, rounds = 0, 0
    async with asyncio.timeout(120):
        while rounds < 8:
            await asyncio.sleep(0.5)
            before, tokens = tokens, await evaluated(editor)
            rounds = rounds + 1 if tokens == before else 0


def decoded(tokens: int) -> bool:
    """Whether so few tokens are what a suggestion of one line has, with the end of its prompt."""
    return tokens < 40


@pytest.mark.parametrize("end", ["shutdown", "stdin closed", "SIGTERM"])
async def test_the_next_start_evaluates_only_what_is_new(editor: Callable[..., Editor], end: str) -> None:
    async with editor() as first:
        assert not decoded(await first_suggestion(first))
        await still(first)
        process = first.client._server
        assert process is not None
        if end == "SIGTERM":
            process.send_signal(signal.SIGTERM)
        elif end == "stdin closed":
            assert process.stdin is not None
            process.stdin.close()
        if end != "shutdown":
            async with asyncio.timeout(10):
                await process.wait()
    if end == "SIGTERM":
        assert process.returncode == -signal.SIGTERM
    async with editor() as second:
        assert decoded(await first_suggestion(second))


async def test_what_is_saved_is_there_when_shutdown_is_answered(editor: Callable[..., Editor], tmp_path: Path) -> None:
    async with editor() as first:
        await first_suggestion(first)
        await first.client.shutdown_async(None)
        assert len(list((tmp_path / "home" / "caches").glob("*.kv"))) == 1
        assert first.client._server is not None
        first.client._server.kill()
        await first.client._server.wait()


async def test_nothing_is_saved_where_that_is_switched_off(editor: Callable[..., Editor], tmp_path: Path) -> None:
    async with editor(SNED_SAVE_CACHE="false") as first:
        await first_suggestion(first)
    assert not (tmp_path / "home" / "caches").exists()


async def test_damaged_files_are_no_error(editor: Callable[..., Editor], tmp_path: Path) -> None:
    async with editor() as first:
        await first_suggestion(first)
    for file in (tmp_path / "home" / "caches").iterdir():
        file.write_bytes(file.read_bytes()[:-7])
    async with editor() as second:
        assert not decoded(await first_suggestion(second))
        assert not second.client.messages
