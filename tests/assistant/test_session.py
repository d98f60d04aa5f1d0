"""Sessions on the real base model."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import pytest

from assistant.engine.protocol import Usage
from assistant.languages import Language
from assistant.open_models import OpenModels
from assistant.selection import Selection, select_model
from assistant.session import Session
from assistant.settings import load_settings
from assistant.suggestion.types import Buffer, Suggestion, SuggestionOptions, SuggestionRequest
from assistant.warm_cache import WarmCaches
from assistant.window import WindowSize

pytestmark = pytest.mark.model

BEFORE = "".join(f"def scaled_{n}(length):\n    return length * {n}\n\n\n" for n in range(60))
BEFORE += "def area(width, height):\n    return "


def request(typed: str) -> SuggestionRequest:
    buffer = Buffer("file:///p/main.py", Path("/p/main.py"), "python", len(typed), f"{BEFORE}{typed}\n")
    return SuggestionRequest(buffer, len(BEFORE) + len(typed))


def test_after_enough_suggestions_the_whole_prompt_is_evaluated_once_the_cursor_rests(base_model: Path) -> None:
    settings = load_settings()
    selection = select_model(settings, None, str(base_model))
    models = OpenModels(settings)
    session = Session(None, None, lambda: selection, models)
    session.use_options(SuggestionOptions(max_tokens=4, patience=0.0, window=WindowSize(before=180, after=20)))
    try:
        session.open().result()
        assert isinstance(session.suggest(request("")).result(), Suggestion)
        scheduler = models.get(selection).scheduler
        scheduler.idle("once the cursor rests", lambda cancel: None, after=2.5).result()
        assert session.evaluated_tokens < 140
        for number in range(48):
            session.suggest(request(f"{number} * ")).result()
        scheduler.idle("once the cursor rests again", lambda cancel: None, after=1.5).result()
        last = session.suggest(request("99 * ")).result()
        assert isinstance(last, Suggestion)
        assert last.usage is not None
        assert last.usage.prompt_tokens > 140
        assert last.usage.prompt_tokens - last.usage.cached_tokens < 8
    finally:
        session.close()
        models.close()


@dataclass
class Window:
    """An editor's window on a project of two files, with a session that keeps its cache in `home`."""

    model: Path
    project: Path
    home: Path

    def __enter__(self) -> Self:
        settings = load_settings()
        self.models = OpenModels(settings)
        choose = partial(select_model, settings, None, str(self.model))
        self.session = Session(self.project, Language.PYTHON, choose, self.models, WarmCaches(self.home))
        self.session.use_options(SuggestionOptions(max_tokens=8, patience=0.25))
        self.session.open().result()
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()
        self.models.close()

    def usage(self, before: str, name: str = "main.py") -> Usage:
        """What a suggestion at the end of `before` costs; then all of its prompt is evaluated."""
        path = self.project / name
        buffer = Buffer(path.as_uri(), path, "python", len(before), f"{before}\n")
        request = SuggestionRequest(buffer, len(before), automatic=True)
        answer = self.session.suggest(request).result()
        opened = self.session._opened
        assert opened is not None
        opened.model.scheduler.submit("prepare", lambda cancel: opened.suggester.prepare(request, cancel)).result()
        assert isinstance(answer, Suggestion)
        assert answer.usage is not None
        return answer.usage


@pytest.fixture
def window(base_model: Path, tmp_path: Path) -> Callable[[], Window]:
    project = tmp_path / "project"
    project.mkdir()
    (project / "main.py").write_text(SHAPES)
    (project / "shapes.py").write_text("def area_of_rectangle(width, height):\n    return width * height\n" * 3)
    return lambda: Window(base_model, project, tmp_path / "home")


SHAPES = BEFORE.replace("def scaled_0(length):", "from shapes import area_of_rectangle\n\n\ndef scaled_0(length):")


def test_what_a_file_uses_of_others_is_in_its_first_prompt_once_it_was_open_for_a_while(
    window: Callable[[], Window],
) -> None:
    with window() as opened:
        path = opened.project / "main.py"
        buffer = Buffer(path.as_uri(), path, "python", 0, f"{SHAPES}\n")
        opened.session.document_opened(buffer)
        opened.session.read_ahead(buffer)
        scheduler = opened.models.get(opened.session._choose()).scheduler
        for _ in range(20):
            scheduler.idle("after that", lambda cancel: None, after=2.5).result()
            if read := opened.session.evaluated_tokens:
                break
        assert read > 40
        usage = opened.usage(SHAPES)
        assert usage.cached_tokens >= read - 8


def test_the_next_run_goes_on_with_what_this_one_has_evaluated(window: Callable[[], Window]) -> None:
    with window() as first:
        assert first.usage(SHAPES).prompt_tokens < 200
        whole = first.usage(SHAPES + "height")
        assert whole.prompt_tokens > 400
    with window() as second:
        restored = second.usage(SHAPES + "width")
        assert abs(restored.prompt_tokens - whole.prompt_tokens) < 4
        assert restored.prompt_tokens - restored.cached_tokens < 8


def test_a_model_closed_to_make_room_keeps_what_it_has_evaluated(
    window: Callable[[], Window], base_model: Path, tmp_path: Path
) -> None:
    with window() as opened:
        opened.usage(SHAPES)
        opened.models.budget = 1
        other = tmp_path / "other.gguf"
        other.symlink_to(base_model)
        opened.models.get(Selection(other, "other"))
        assert not opened.session.is_open
        opened.session.open().result()
        again = opened.usage(SHAPES + "width")
        assert again.prompt_tokens > 400
        assert again.prompt_tokens - again.cached_tokens < 8


def test_folders_that_share_a_model_keep_their_own(window: Callable[[], Window], tmp_path: Path) -> None:
    with window() as first:
        other = Session(tmp_path, Language.PYTHON, first.session._choose, first.models, WarmCaches(first.home))
        other.open().result()
        first.usage(SHAPES)
        path = tmp_path / "elsewhere.py"
        buffer = Buffer(path.as_uri(), path, "python", 1, "def add(a, b):\n    return \n")
        other.suggest(SuggestionRequest(buffer, len(buffer.text) - 1)).result()
        other.close()
    saved = sorted((first.home / "caches").glob("*.json"))
    assert len(saved) == 2
    contents = [file.read_text() for file in saved]
    assert sorted(("elsewhere.py" in text, "main.py" in text) for text in contents) == [(False, True), (True, False)]


def test_without_anything_new_nothing_is_written(window: Callable[[], Window]) -> None:
    with window() as first:
        first.usage(SHAPES)
    (cache,) = (first.home / "caches").glob("*.kv")
    inode = cache.stat().st_ino
    with window():
        pass
    assert cache.stat().st_ino == inode
