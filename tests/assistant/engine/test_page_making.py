"""Pages made ahead of who writes them: only new, large buffers, no more than was asked for, and no byte changes."""

import mmap
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.engine.page_making import PageMaking

MB = 1 << 20
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="made for Linux")


def buffer(size: int) -> mmap.mmap:
    return mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def becomes_true(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_pages_are_made_a_little_ahead_of_what_is_filled() -> None:
    old = buffer(128 * MB)
    with PageMaking(200 * MB) as pages:
        new = buffer(160 * MB)
        new[:3] = b"abc"
        before = resident()
        time.sleep(0.1)
        assert resident() < before + 8 * MB  # nothing is made before something is filled
        pages.filled(0)
        assert becomes_true(lambda: resident() > before + 28 * MB)
        time.sleep(0.1)
        assert resident() < before + 48 * MB
        pages.filled(160 * MB)
        assert becomes_true(lambda: resident() > before + 150 * MB)
    assert new[:4] == b"abc\0"
    assert resident() < before + 180 * MB
    del old


def test_what_is_larger_than_expected_is_left_alone() -> None:
    with PageMaking(64 * MB) as pages:
        new = buffer(160 * MB)
        before = resident()
        pages.filled(160 * MB)
        time.sleep(0.2)
        assert resident() < before + 16 * MB
    del new


def test_it_ends_at_once() -> None:
    with PageMaking(1 << 40) as pages:
        new = buffer(1 << 30)
        pages.filled(0)
        started = time.monotonic()
    assert time.monotonic() - started < 10
    del new
