"""One loaded base model for all tests of what stands on the engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.engine.llama import LlamaEngine, LlamaOptions


@pytest.fixture(scope="session")
def engine(base_model: Path) -> Iterator[LlamaEngine]:
    opened = LlamaEngine(base_model, LlamaOptions(context=2048))
    yield opened
    opened.close()
