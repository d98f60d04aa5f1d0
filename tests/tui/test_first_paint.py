"""What the first paint waits for: the screen's own code, and nothing of models, history or settings."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tui.fakes import FakeBackend
from tests.tui.running import running
from tui import memory

LATER = ("assistant.engine", "assistant.settings", "assistant.store", "ctypes", "pydantic", "sqlite3", "markdown_it")


def test_the_first_paint_waits_for_no_engine_history_or_settings() -> None:
    program = "import sys, tui.start, tui.app; print(*sys.modules, sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "textual.app" in loaded
    assert not [each for each in loaded if each.startswith(LATER)]


@pytest.mark.asyncio
async def test_nothing_is_collected_before_the_first_paint_and_all_after_it(
    backend: FakeBackend, project: Path
) -> None:
    try:
        memory.begin()
        assert not gc.isenabled()
        async with running(backend, project):
            assert gc.isenabled()
    finally:
        gc.enable()
