"""The files that a project's warm cache is kept in, with a model of a few kilobytes."""

import logging
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.context.saved import SavedChunk, SavedContext, SavedDocument, SavedVisit
from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Prompt, Segment
from assistant.errors import EngineError
from assistant.languages import Language
from assistant.warm_cache import Project, WarmCaches, WarmState
from tests.prune.tiny_models import write_tiny_model

URI, TEXT = "file:///p/a.py", "import os\nprint(os.name)\n" * 4

texts = st.text(max_size=40)
numbers = st.integers(0, 1 << 20)
chunks = st.builds(SavedChunk, texts, texts, st.floats(0, 1e9))
documents = st.builds(SavedDocument, texts, numbers, texts, st.lists(chunks, max_size=3).map(tuple))
contexts = st.builds(
    SavedContext,
    st.lists(documents, min_size=1, max_size=3).map(tuple),
    st.lists(st.builds(SavedVisit, texts, texts, texts), max_size=3).map(tuple),
)
states = st.builds(WarmState, st.floats(0.1, 1e6), numbers, numbers, contexts)
shared_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

STATE = WarmState(120.0, 512, 128, SavedContext((SavedDocument(URI, 3, "\n", (SavedChunk("b.py", "x = 1\n", 2.0),)),)))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf", "qwen2").path


@pytest.fixture(scope="module")
def engine(model: Path) -> Iterator[LlamaEngine]:
    """An engine that has evaluated the document."""
    opened = LlamaEngine(model, LlamaOptions(context=256))
    opened.prefill(Prompt((Segment(TEXT),)), sequence=URI)
    yield opened
    opened.close()


@pytest.fixture
def restarted(model: Path) -> Iterator[LlamaEngine]:
    opened = LlamaEngine(model, LlamaOptions(context=256))
    yield opened
    opened.close()


@dataclass(frozen=True)
class Run:
    """A project's cache, with an engine to save from and one to restore to."""

    caches: WarmCaches
    project: Project
    engine: LlamaEngine
    restarted: LlamaEngine
    home: Path

    def save(self, state: WarmState, project: Project | None = None) -> int:
        return self.caches.save(project or self.project, self.engine, state)

    def restore(self, project: Project | None = None) -> WarmState | None:
        return self.caches.restore(project or self.project, self.restarted)

    def files(self, ending: str = "") -> list[Path]:
        return sorted((self.home / "caches").glob(f"*{ending}"))


@pytest.fixture
def run(model: Path, engine: LlamaEngine, restarted: LlamaEngine, tmp_path: Path) -> Run:
    home = tmp_path / "home"
    return Run(WarmCaches(home), Project(model, tmp_path / "project", Language.PYTHON), engine, restarted, home)


def test_state_and_tokens_come_back(run: Run, model: Path) -> None:
    tokens = run.save(STATE)
    assert tokens >= len(TEXT) - 1
    again = LlamaEngine(model, LlamaOptions(context=256))
    assert run.caches.restore(run.project, again) == STATE
    assert again.uncached_tokens(Prompt((Segment(TEXT + "x"),))) <= 2
    again.close()


@shared_folder
@given(state=states)
def test_any_state_comes_back(run: Run, state: WarmState) -> None:
    run.save(state)
    assert run.restore() == state


@shared_folder
@given(share=st.floats(0, 1, exclude_max=True), flipped=st.integers(1, 255), cut=st.booleans())
def test_a_damaged_context_is_left_alone_or_a_valid_one(run: Run, share: float, flipped: int, cut: bool) -> None:
    run.save(STATE)
    (file,) = run.files(".json")
    whole = file.read_bytes()
    place = int(share * len(whole))
    damaged = whole[:place] if cut else whole[:place] + bytes([whole[place] ^ flipped]) + whole[place + 1 :]
    file.write_bytes(damaged)
    state = run.restore()
    assert state is None or isinstance(state, WarmState)
    assert cut is False or state is None
    # The tokens belong to another context.
    assert run.restarted.uncached_tokens(Prompt((Segment(TEXT + "x"),))) > len(TEXT) - 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"prefill_rate": 0, "context_budget": 1, "context": {"documents": [], "visits": []}}',
        b'{"prefill_rate": NaN, "context_budget": 1, "context": {"documents": [], "visits": []}}',
        b'{"prefill_rate": 1, "context_budget": -1, "context": {"documents": [], "visits": []}}',
        b'{"prefill_rate": 1, "context_budget": 1, "context": {"documents": [7], "visits": []}}',
        b'{"a":' * 100_000,
        b"[" * 5_000_000,
    ],
)
def test_other_files_are_no_context(run: Run, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sned.session")
    run.save(STATE)
    run.files(".json")[0].write_bytes(content)
    assert run.restore() is None
    assert "not restoring the context" in caplog.text


def test_without_its_tokens_the_context_is_still_good(run: Run) -> None:
    run.save(STATE)
    run.files(".kv")[0].write_bytes(b"damaged")
    assert run.restore() == STATE
    run.files(".kv")[0].unlink()
    assert run.restore() == STATE


def test_another_model_folder_or_language_has_a_cache_of_its_own(run: Run) -> None:
    run.save(STATE)
    others = [
        replace(run.project, model=run.home / "other.gguf"),
        replace(run.project, folder=run.home / "other"),
        replace(run.project, folder=None),
        replace(run.project, language=Language.JAVA),
        replace(run.project, language=None),
    ]
    assert [run.restore(other) for other in others] == [None] * len(others)


def test_only_the_owner_may_read_them(run: Run) -> None:
    run.save(STATE)
    assert [file.suffix for file in run.files()] == [".json", ".kv"]
    if os.name != "nt":
        assert {stat.S_IMODE(file.stat().st_mode) for file in run.files()} == {0o600}
        assert stat.S_IMODE((run.home / "caches").stat().st_mode) == 0o700


def test_nothing_is_saved_of_a_project_without_prompts(run: Run) -> None:
    assert run.save(WarmState(100.0, 0, 0, SavedContext())) == 0
    assert run.files() == []


def test_the_last_used_are_kept(run: Run) -> None:
    projects = [replace(run.project, folder=run.home / str(number)) for number in range(10)]
    for number, each in enumerate(projects):
        run.save(STATE, each)
        for file in run.files():  # file systems that know only whole seconds
            os.utime(file, (file.stat().st_mtime - 10,) * 2)
        if number == 8:
            run.caches.keep(projects[4])
    assert [run.restore(each) is not None for each in projects] == [False, False] + [True] * 8
    assert len(run.files()) == 16
    for file in run.files(".kv")[1:4]:
        os.truncate(file, 200 << 20)  # sparse: takes no space
    run.save(STATE)
    assert sum(file.stat().st_size for file in run.files(".kv")) <= 512 << 20
    assert run.restore() is not None


def test_what_killed_processes_left_is_deleted(run: Run) -> None:
    run.save(STATE)
    left, running = (run.files()[0].with_name(f"abc.kv.{number}.new") for number in (1, 2))
    for file in (left, running):
        file.write_bytes(b"x")
    os.utime(left, (time.time() - 7200,) * 2)
    run.save(STATE)
    assert not left.exists()
    assert running.exists()


def test_text_that_is_no_unicode_is_not_saved(run: Run) -> None:
    broken = SavedDocument(URI, 0, "\ud800", ())
    with pytest.raises(EngineError, match="cannot be saved"):
        run.save(replace(STATE, context=SavedContext((broken,))))
    assert run.files() == []


def test_a_folder_that_cannot_be_made_is_named(run: Run) -> None:
    run.home.write_text("no folder")
    with pytest.raises(EngineError, match=r"cannot be saved to .*caches"):
        run.save(STATE)
    assert run.restore() is None
