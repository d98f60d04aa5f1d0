"""What was read of files, for who opens them again."""

import os
import time
from typing import Generic, TypeVar

T = TypeVar("T")

_SETTLED_NS = 2 * 10**9

Identity = tuple[int, int, int, int, int]


class Remembered(Generic[T]):
    """Keeps what was read of the last few files, for as long as they stay as they were."""

    def __init__(self, most: int) -> None:
        """Of `most` files."""
        self._most = most
        self._found: dict[Identity, T] = {}

    def get(self, state: os.stat_result) -> T | None:
        """What was kept of the file whose state this is."""
        return self._found.get(_identity(state))

    def keep(self, state: os.stat_result, found: T) -> None:
        """Keeps what was found after the file had this state.

        That needs some time since it was last written to: what is written sooner after can bear the same time.
        """
        if time.time_ns() - max(state.st_mtime_ns, state.st_ctime_ns) < _SETTLED_NS:
            return
        while len(self._found) >= self._most:
            self._found.pop(next(iter(self._found)), None)
        self._found[_identity(state)] = found


def _identity(state: os.stat_result) -> Identity:
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
