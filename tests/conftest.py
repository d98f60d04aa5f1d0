"""What tests of every room share: the default base model, as users have it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Time says nothing here: the machine may be busy. The project's check takes the same examples each time, so that what
# fails there fails here; on people's machines new ones are tried.
settings.register_profile(
    "sned", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("sned")

# A shell that starts the tests in the background has them ignore Ctrl-C, and so the programs they start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What a test leaves would be the start of the next, and in the store of whoever runs them.
os.environ.setdefault("SNED_SAVE_CACHE", "false")


@pytest.fixture(scope="session")
def base_model() -> Path:
    """The default base model's GGUF, fetched into the user's own store when it is not there yet."""
    if given := os.environ.get("SNED_TEST_BASE"):
        return Path(given)
    fetched = subprocess.run(
        [Path(sys.executable).with_name("sned"), "fetch", "--json"], check=True, capture_output=True, text=True
    )
    return Path(json.loads(fetched.stdout)["path"])
