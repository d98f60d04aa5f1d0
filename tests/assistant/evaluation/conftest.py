"""Sandboxes and toolchains of this machine; where one is missing, its tests say so and are left out."""

import functools

import pytest

from assistant.evaluation.sandbox.confinement import confinements
from assistant.evaluation.sandbox.sandbox import Sandbox, fault_of
from assistant.evaluation.toolchains import Missing, Toolchain, find_toolchain
from assistant.languages import Language


@functools.cache
def _sandboxes() -> dict[str, Sandbox | str]:
    every = {found.name: Sandbox(found) for found in confinements()}
    return {name: fault_of(sandbox) or sandbox for name, sandbox in every.items()}


@pytest.fixture(params=["bubblewrap", "namespaces"])
def each_sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """A sandbox of each kind that this machine has."""
    found = _sandboxes().get(request.param, "not installed")
    if isinstance(found, str):
        pytest.skip(f"no sandbox by {request.param} here: {found}")
    return found


@pytest.fixture
def sandbox() -> Sandbox:
    """The sandbox that programs are run in here."""
    holding = [found for found in _sandboxes().values() if isinstance(found, Sandbox)]
    if not holding:
        pytest.skip(f"no sandbox here: {_sandboxes()}")
    return holding[0]


@pytest.fixture(params=list(Language), ids=lambda language: language.value)
def toolchain(request: pytest.FixtureRequest) -> Toolchain:
    """The toolchain of each language that this machine has."""
    found = find_toolchain(request.param)
    if isinstance(found, Missing):
        pytest.skip(found.reason)
    return found
