"""What is read next of a sparse GGUF, made by threads before it is asked for."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from export.sparse.values import Bytes

_MOST_THREADS = 4


@dataclass(frozen=True, slots=True)
class Making:
    """How a matrix is made, in any thread, and the bytes that it takes then; None and 0 if it is only checked."""

    make: Callable[[], Bytes | None]
    size: int


class MadeAhead:
    """Gives matrices in any order, and makes those that come next in the file meanwhile."""

    def __init__(self, makings: Mapping[str, Making], budget: int) -> None:
        """Begins at once.

        Args:
            makings: of the matrices, in the order in which they are probably asked for.
            budget: bytes that may be made and not asked for yet; with 0, nothing is done before it is asked for.
        """
        self._makings = makings
        self._budget = budget
        self._waiting = dict.fromkeys(makings)
        self._begun: dict[str, Future[Bytes | None]] = {}
        self._threads = ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1), "unpacking")
        self._begin_next()

    def take(self, name: str) -> Bytes | None:
        """A matrix, which is made once.

        Raises:
            Exception: what making it raised.
        """
        if name not in self._begun:
            self._begin(name)
        future = self._begun.pop(name)
        self._begin_next()
        return future.result()

    def close(self) -> None:
        """Ends the threads, after what each is about, and frees what was not asked for."""
        self._threads.shutdown(cancel_futures=True)
        self._begun.clear()

    def _begin_next(self) -> None:
        ahead = sum(self._makings[name].size for name in self._begun)
        for name in list(self._waiting):
            ahead += self._makings[name].size
            if ahead > self._budget:
                break
            self._begin(name)

    def _begin(self, name: str) -> None:
        self._waiting.pop(name, None)
        self._begun[name] = self._threads.submit(self._makings[name].make)
