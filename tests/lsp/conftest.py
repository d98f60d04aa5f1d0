"""One editor and one server with the real model for the tests of a module."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.lsp.editor import Editor


@pytest.fixture(scope="session")
def model_settings(base_model: Path) -> dict[str, Any]:
    """Settings that name the model under test where it is not in the store."""
    return {"model": str(base_model)} if "SNED_TEST_BASE" in os.environ else {}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def editor(model_settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Editor]:
    async with Editor([tmp_path_factory.mktemp("project")], model_settings) as opened:
        yield opened
