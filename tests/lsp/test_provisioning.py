"""Fetching and building from the editor: offered when missing, told as progress, cancelled by the user."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from lsprotocol import types

from tests.lsp.editor import Editor

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

ADD = "def add(a, b):\n    return "


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, base_model: Path) -> dict[str, str]:
    """An empty store, and a catalog whose default model is a file of this machine."""
    folder = tmp_path_factory.mktemp("provisioning")
    with base_model.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    catalog = folder / "catalog.toml"
    catalog.write_text(
        f"""
[[models]]
name = "qwen2.5-coder-0.5b-instruct"
family = "Qwen2.5-Coder"
parameters = 494_000_000
quantisation = "Q4_K_M"
size = {base_model.stat().st_size}
sha256 = "{digest}"
licence = "Apache-2.0"
licence_url = "https://example.org/licence"
context = 32_768
[[models.sources]]
kind = "file"
path = "{base_model.as_posix()}"
"""
    )
    return {"SNED_HOME": str(folder / "home"), "SNED_CATALOG": str(catalog)}


def kinds(editor: Editor) -> list[str]:
    """The kinds of all progress reports so far."""
    return [report.kind for reports in editor.client.progress_reports.values() for report in reports]


def percentages(editor: Editor) -> list[int]:
    """The percentages of all progress reports so far."""
    reports = [report for reports in editor.client.progress_reports.values() for report in reports]
    return [
        report.percentage
        for report in reports
        if isinstance(report, types.WorkDoneProgressReport) and report.percentage is not None
    ]


async def test_a_missing_base_model_is_fetched_when_the_user_agrees(home: dict[str, str], tmp_path: Path) -> None:
    async with Editor([tmp_path], {"offerModels": "ask"}, environment=home, chosen="Fetch it") as editor:
        uri = editor.open((tmp_path / "a.py").as_uri(), ADD)
        await editor.status("is done")
        assert "is not here yet" in editor.questions[0]
        assert (kinds(editor)[0], kinds(editor)[-1]) == ("begin", "end")
        assert percentages(editor) == sorted(percentages(editor))
        assert percentages(editor)[-1] == 100
        assert len(set(percentages(editor))) > 10
        assert await editor.ask(uri, 1, 11)


async def test_a_build_is_offered_once_and_can_be_cancelled(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(ADD)
    async with Editor([tmp_path], {"offerModels": "ask"}, environment=home, chosen="Build it") as editor:
        uri = editor.open((tmp_path / "a.py").as_uri(), ADD)
        await editor.status("building")
        assert await editor.ask(uri, 1, 11)  # the base model serves meanwhile
        async with asyncio.timeout(60):
            while not percentages(editor):
                await asyncio.sleep(0.05)
        (token,) = editor.client.progress_reports
        editor.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))
        await editor.status("was cancelled")
        assert kinds(editor)[-1] == "end"
        editor.open((tmp_path / "b.py").as_uri(), ADD)
        assert await editor.ask(uri, 1, 11)
        assert len(editor.questions) == 1
    assert not list((Path(home["SNED_HOME"]) / "submodels").glob("*"))


async def test_what_the_user_refuses_is_not_done(home: dict[str, str], tmp_path: Path) -> None:
    async with Editor([tmp_path], {"offerModels": "ask"}, environment=home, chosen="Not now") as editor:
        uri = editor.open((tmp_path / "a.py").as_uri(), ADD)
        assert await editor.ask(uri, 1, 11)
        async with asyncio.timeout(60):
            while not editor.questions:
                await asyncio.sleep(0.05)
        assert await editor.ask(uri, 1, 10)
        assert kinds(editor) == []


async def test_a_build_that_fails_says_why(home: dict[str, str], tmp_path: Path) -> None:
    async with Editor([tmp_path], environment=home | {"SNED_HOME": str(tmp_path / "empty")}) as editor:
        uri = editor.open((tmp_path / "a.py").as_uri(), ADD)
        assert await editor.command_result("sned.build", uri) is False
        assert "is not here yet" in await editor.message("Building the Python sub-model failed")


async def test_where_sub_models_are_published_a_fetch_is_offered_before_the_build(
    home: dict[str, str], tmp_path: Path
) -> None:
    published = home | {"SNED_PUBLISHED": str(tmp_path / "nothing is published here")}
    (tmp_path / "a.py").write_text(ADD)
    async with Editor(
        [tmp_path], {"offerModels": "ask"}, environment=published, chosen="Fetch a published one"
    ) as editor:
        uri = editor.open((tmp_path / "a.py").as_uri(), ADD)
        assert "sned build makes one" in await editor.message("Fetching the Python sub-model failed")
        assert await editor.ask(uri, 1, 11)  # the base model serves
