"""Memory that llama.cpp is about to fill, made by another thread just before it gets there.

The first touch of a page takes the system longer than writing to it. It is only told to do it sooner: no byte changes.
"""

import ctypes
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

_MAPS = Path("/proc/self/maps")
_ANONYMOUS = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p 0+ 00:00 0\s*")
_LEAST = 32 << 20
_AT_ONCE = 2 << 20  # the system holds a lock of the process meanwhile
_AHEAD = 32 << 20
_MAKE_WRITABLE = 23  # MADV_POPULATE_WRITE of madvise(2), from Linux 5.14 on


class PageMaking:
    """Makes the pages of large buffers that are allocated after this, on Linux; a context manager."""

    def __init__(self, most: int) -> None:
        """Of buffers of `most` bytes in all, and no more."""
        self._most = most
        self._before = list(_stretches())
        self._filled = 0
        self._ended = False
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._change:
            self._ended = True
            self._change.notify()
        if self._thread is not None:
            self._thread.join()

    def filled(self, size: int) -> None:
        """So many bytes of the buffers, which are there, have been filled: those that come next are made."""
        with self._change:
            self._filled = max(self._filled, size)
            self._change.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._make, name="pages")
            self._thread.start()

    def _make(self) -> None:
        made = 0
        advise = ctypes.CDLL(None).madvise
        for start, end in self._new_buffers():
            if made + end - start > self._most:
                continue
            for at in range(start, end, _AT_ONCE):
                size = min(_AT_ONCE, end - at)
                if not self._wanted(made):
                    return
                if advise(ctypes.c_void_p(at), ctypes.c_size_t(size), ctypes.c_int(_MAKE_WRITABLE)):
                    return
                made += size

    def _new_buffers(self) -> Iterator[tuple[int, int]]:
        """Large stretches that were not there before; the system joins neighbours."""
        for start, end in _stretches():
            for old_start, old_end in self._before:
                if start <= old_start < end:
                    yield from _large(start, old_start)
                    start = old_end  # noqa: PLW2901
            yield from _large(start, end)

    def _wanted(self, made: int) -> bool:
        """Waits until more than `made` is wanted, or until it is over."""
        with self._change:
            self._change.wait_for(lambda: self._ended or made < self._filled + _AHEAD)
            return not self._ended


def _stretches() -> Iterator[tuple[int, int]]:
    """Where stretches of the process's own memory begin and end, ascending."""
    if sys.platform != "linux":
        return
    for line in _MAPS.read_text().splitlines():
        if match := _ANONYMOUS.fullmatch(line):
            yield int(match[1], 16), int(match[2], 16)


def _large(start: int, end: int) -> Iterator[tuple[int, int]]:
    if end - start >= _LEAST:
        yield start, end
