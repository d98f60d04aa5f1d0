"""Packed matrices as the plain file has them, unpacked by threads before they are asked for."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from mmap import mmap

import numpy as np

from export.sparse.errors import damaged
from export.sparse.packing import PackedMatrix
from export.sparse.reader import SparseFile
from export.sparse.values import Bytes

_MOST_THREADS = 4


class UnpackedAhead:
    """Gives matrices in any order, and unpacks those that come next in the file meanwhile.

    Each has memory of its own, which is the system's again once nobody has the matrix any more.
    """

    def __init__(
        self,
        sparse: SparseFile,
        sizes: Mapping[str, int],
        budget: int,
        made: Mapping[str, Callable[[PackedMatrix], Bytes]] | None = None,
    ) -> None:
        """Begins at once.

        Args:
            sparse: the file, which must stay open until `close`.
            sizes: the matrices in the order in which they are probably asked for, and the bytes of each when unpacked.
            budget: bytes that may be unpacked and not asked for yet; with 0, nothing is done before it is asked for.
            made: what makes something else of some matrices.
        """
        self._sparse = sparse
        self._sizes = sizes
        self._made = made or {}
        self._budget = budget
        self._waiting = dict.fromkeys(sizes)
        self._begun: dict[str, Future[Bytes]] = {}
        self._threads = ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1), "unpacking")
        self._begin_next()

    def take(self, name: str) -> Bytes:
        """A matrix as the plain file has it, in one dimension, or what is made of it instead.

        Raises:
            SparseFileError: its bytes are not those that were written.
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
        ahead = sum(self._sizes[name] for name in self._begun)
        for name in list(self._waiting):
            ahead += self._sizes[name]
            if ahead > self._budget:
                break
            self._begin(name)

    def _begin(self, name: str) -> None:
        self._waiting.pop(name, None)
        self._begun[name] = self._threads.submit(self._unpacked, name)

    def _unpacked(self, name: str) -> Bytes:
        if (make := self._made.get(name)) is not None:
            packed = self._sparse.checked(name)
            try:
                return make(packed)
            except ValueError as error:
                raise damaged(self._sparse.path, str(error), name) from error
        out = np.frombuffer(mmap(-1, self._sizes[name]), dtype=np.uint8)
        self._sparse.dense_into(name, out)
        return out
