"""A sparse GGUF's matrices on their way to the sparse backend, packed all along."""

import ctypes
import mmap
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Self

import numpy as np

from assistant.engine.sparse_backend import load_library
from export.sparse.dense import Q4_0
from export.sparse.layout import SparseLayout
from export.sparse.native import FileForm
from export.sparse.packing import PackedMatrix
from export.sparse.records import read_records
from export.sparse.values import Bytes
from prune.gguf_file import GGUFFile


class PackedMatrices:
    """Gives the backend a file's matrices in its own layout, while a thread reads the file; a context manager.

    Attributes:
        names: of the matrices.
    """

    def __init__(self, path: Path, names: Collection[str]) -> None:
        """Those of these names that the file has packed.

        Raises:
            CheckpointError: the file's metadata are damaged.
        """
        self._library = load_library()
        with GGUFFile(path) as file:
            records = read_records(file)
        self.names = frozenset(names) & records.keys()
        # A matrix that is Q8_0 otherwise is summed as Q8_0, whatever its values take in the file.
        self._bits = {name: 4 if each.dense_type is Q4_0 else 8 for name, each in records.items()}
        layouts = {name: records[name].layout for name in self.names}
        sizes = (self._library.sned_pack_bound(*self._numbers(name, layout)) for name, layout in layouts.items())
        self._buffers = _Buffers(max(sizes, default=0), len(self.names))
        self._converted: dict[str, Bytes] = {}
        self._given: Bytes | None = None

    def convert(self, name: str, packed: PackedMatrix) -> Bytes:
        """The matrix in the backend's layout.

        Raises:
            ValueError: the bytes are not those of such a matrix.
        """
        library = self._library
        out = self._buffers.take()
        form, data = FileForm.of(packed.layout), np.ascontiguousarray(packed.data)
        bits, size = ctypes.c_int64(self._bits[name]), ctypes.c_size_t(data.size)
        kernel = library.sned_best_kernel()
        used = library.sned_pack_file(kernel, ctypes.byref(form), _address(data), size, bits, _address(out))
        if not used:
            raise ValueError("its bytes are not those of such a matrix")
        self._converted[name] = out
        return out[:used]

    def give(self, name: str, converted: Bytes) -> None:
        """Hands the matrix to the backend, which copies it when llama.cpp sets the tensor."""
        self._library.sned_sparse_give(name.encode(), _address(converted), ctypes.c_size_t(converted.size))
        if name in self._converted:  # and not given once more: llama.cpp has set the one before
            if self._given is not None:
                self._buffers.give_back(self._given)
            self._given = self._converted.pop(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Takes back what was given last: llama.cpp may have stopped before it was set."""
        self._library.sned_sparse_give(None, None, ctypes.c_size_t(0))

    def _numbers(self, name: str, layout: SparseLayout) -> list[ctypes.c_int64]:
        return [ctypes.c_int64(value) for value in (self._bits[name], layout.rows, layout.columns)]


class _Buffers:
    """Memory for matrices, used again: making pages takes longer than filling them. For several threads at once."""

    def __init__(self, size: int, times: int) -> None:
        """Buffers of `size` bytes, which will be taken so many times in all."""
        self._size = size
        self._times = times
        self._free: list[Bytes] = []
        self._lock = threading.Lock()

    def take(self) -> Bytes:
        """One whose content does not matter."""
        with self._lock:
            self._times -= 1
            if self._free:
                return self._free.pop()
        # Pages are there once they are written, and the system's again once nobody has the array.
        private = mmap.mmap(-1, self._size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        return np.frombuffer(private, dtype=np.uint8)

    def give_back(self, buffer: Bytes) -> None:
        """Keeps one, if as many will be taken yet."""
        with self._lock:
            if len(self._free) < self._times:
                self._free.append(buffer)


def _address(array: Bytes) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
