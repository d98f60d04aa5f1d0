"""A model of a few kilobytes with random weights: llama.cpp runs it in under a millisecond a token."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.engine.llama import LlamaEngine, LlamaOptions
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
