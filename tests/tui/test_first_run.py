"""Without a model: one is offered, fetched or built with its progress on the screen, and then answers."""

from pathlib import Path

import pytest

from assistant.digest import sha256_of
from tests.tui.fakes import FakeBackend
from tests.tui.running import running
from tests.tui.test_commands import do
from tui.backend import LocalBackend, Needed
from tui.screens.progress import Progress
from tui.screens.question import Question

pytestmark = pytest.mark.asyncio
BASE = Needed("The base model x is not here yet (491 MB).", "Fetch it", ("fetch", "no-such-base"), blocking=True)


async def test_a_missing_base_model_is_offered_and_what_goes_wrong_is_told(
    backend: FakeBackend, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNED_HOME", str(tmp_path / "home"))
    backend.missing = BASE
    async with running(backend, project) as screen:
        await screen.until(lambda: isinstance(screen.app.screen, Question))
        assert "491 MB" in screen.text()
        await screen.press("y")
        await screen.until(lambda: isinstance(screen.app.screen, Progress))
        await screen.until(lambda: "no-such-base" in screen.told)
        assert not isinstance(screen.app.screen, Progress)


async def test_a_question_before_there_is_a_model_is_told_how_to_get_one(backend: FakeBackend, project: Path) -> None:
    backend.missing = BASE
    async with running(backend, project) as screen:
        await screen.until(lambda: isinstance(screen.app.screen, Question))
        await screen.press("n")
        assert "/fetch" in screen.text()
        backend.failure = None


async def test_a_missing_submodel_is_told_in_passing_and_the_base_answers(backend: FakeBackend, project: Path) -> None:
    backend.missing = Needed("There is no sub-model for Python yet.", "Build it", ("build", "."), blocking=False)
    async with running(backend, project) as screen:
        await screen.until(lambda: "/build makes it" in screen.told)
        await screen.say("hello")
        assert screen.messages[1] == "I know nothing more."


async def test_fetching_is_shown_and_the_model_answers_then(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real program's other half, on a catalog of a model so small that it is a test's."""
    from tests.prune.tiny_models import write_tiny_model

    base = write_tiny_model(tmp_path / "tiny.gguf", "qwen2")
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(CATALOG.format(path=base.path, size=base.path.stat().st_size, digest=sha256_of(base.path)))
    monkeypatch.setenv("SNED_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SNED_CATALOG", str(catalog))
    monkeypatch.setenv("SNED_BASE", "tiny")
    app_backend = LocalBackend(project)
    needed = app_backend.needed()
    assert needed is not None
    assert needed.blocking
    assert needed.arguments == ("fetch", "tiny")
    async with running(lambda folder: app_backend, project) as screen:  # type: ignore[arg-type]
        await screen.until(lambda: isinstance(screen.app.screen, Question))
        await screen.press("y")
        await screen.until(lambda: "The model is here" in screen.told or "tiny" in screen.told)
        await screen.until(lambda: [row.name for row in screen.app.models.rows] == ["tiny"])


async def test_the_commands_begin_the_same(
    backend: FakeBackend, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNED_HOME", str(tmp_path / "home"))
    async with running(backend, project) as screen:
        await do(screen, "/fetch nonsense")
        await screen.until(lambda: "nonsense" in screen.told)
        await do(screen, "/build")
        await screen.until(lambda: "sned fetch" in screen.told)


CATALOG = """
[[models]]
name = "tiny"
family = "Tiny"
parameters = 1_000
quantisation = "F32"
size = {size}
sha256 = "{digest}"
licence = "Apache-2.0"
licence_url = "https://example.org/licence"
context = 128

[[models.sources]]
kind = "file"
path = "{path}"
"""


async def test_where_sub_models_are_published_they_are_offered_first(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        (project / f"module_{number}.py").write_text("value = 1\n" * 50)
    monkeypatch.setenv("SNED_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SNED_PUBLISHED", "hf:org/repo")
    needed = LocalBackend(project).needed()
    assert needed is not None
    assert needed.question == "There is no Python sub-model here yet; it may be published."
    assert (needed.arguments, needed.blocking) == (("fetch", "--project", str(project)), True)
