"""A model of a few kilobytes with random weights, which llama.cpp runs in under a millisecond a token; a scheduler."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.scheduler import Scheduler
from tests.assistant.engine.jobs import NoModel
from tests.prune.tiny_models import write_tiny_model

CONTEXT = 256


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its vocabulary is the 256 bytes and some special tokens."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf", "qwen2").path


@pytest.fixture
def tiny(tiny_path: Path) -> Iterator[LlamaEngine]:
    """The tiny model, with nothing cached."""
    opened = LlamaEngine(tiny_path, LlamaOptions(context=CONTEXT, batch=32))
    yield opened
    opened.close()


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    """One that has nothing to do."""
    opened = Scheduler(NoModel())
    yield opened
    opened.close()
