"""What tests share: one loaded base model for all that stands on the engine, and a server to download from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.fetch import connection
from tests.assistant.downloads import CONTENT, PATH
from tests.model_server import ModelServer


@pytest.fixture(scope="session")
def engine(base_model: Path) -> Iterator[LlamaEngine]:
    opened = LlamaEngine(base_model, LlamaOptions(context=2048))
    yield opened
    opened.close()


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer({PATH: CONTENT}) as running:
        yield running


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PAUSES", (0.01, 0.01, 0.01, 0.01))
