"""How llama.cpp is loaded."""

import os
import subprocess
import sys

import pytest

SHOW = "import os, assistant.engine.native; print(os.environ['OMP_WAIT_POLICY'], os.environ['GOMP_SPINCOUNT'])"


@pytest.mark.parametrize(("given", "shown"), [({}, "passive 200"), ({"GOMP_SPINCOUNT": "7"}, "passive 7")])
def test_threads_sleep_soon_unless_the_user_says_otherwise(given: dict[str, str], shown: str) -> None:
    known = {name: value for name, value in os.environ.items() if name not in {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}}
    run = subprocess.run([sys.executable, "-c", SHOW], env=known | given, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == shown
