"""A fake model and a project for the tests of the screen."""

from pathlib import Path

import pytest

from tests.tui.fakes import FakeBackend


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "pears"
    folder.mkdir()
    (folder / "basket.py").write_text("def count(pears):\n    return len(pears)\n")
    return folder


@pytest.fixture
def backend(tmp_path: Path) -> FakeBackend:
    return FakeBackend(history_path=tmp_path / "home" / "history.sqlite3")
