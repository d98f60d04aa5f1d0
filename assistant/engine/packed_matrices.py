"""A sparse GGUF's matrices on their way to the sparse backend, packed all along."""

import ctypes
from collections.abc import Collection
from mmap import mmap
from pathlib import Path
from typing import Self

import numpy as np

from assistant.engine.sparse_backend import load_library
from export.sparse.dense import Q4_0
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

    def convert(self, name: str, packed: PackedMatrix) -> Bytes:
        """The matrix in the backend's layout.

        Raises:
            ValueError: the bytes are not those of such a matrix.
        """
        layout, bits = packed.layout, self._bits[name]
        library = self._library
        numbers = [ctypes.c_int64(value) for value in (bits, layout.rows, layout.columns)]
        # Pages are there once they are written: the bound is for a matrix without zeros.
        out = np.frombuffer(mmap(-1, library.sned_pack_bound(*numbers)), dtype=np.uint8)
        form, data = FileForm.of(layout), np.ascontiguousarray(packed.data)
        size, kernel = ctypes.c_size_t(data.size), library.sned_best_kernel()
        used = library.sned_pack_file(kernel, ctypes.byref(form), _address(data), size, numbers[0], _address(out))
        if not used:
            raise ValueError("its bytes are not those of such a matrix")
        return out[:used]

    def give(self, name: str, converted: Bytes) -> None:
        """Hands the matrix to the backend, which copies it when llama.cpp sets the tensor."""
        self._library.sned_sparse_give(name.encode(), _address(converted), ctypes.c_size_t(converted.size))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Takes back what was given last: llama.cpp may have stopped before it was set."""
        self._library.sned_sparse_give(None, None, ctypes.c_size_t(0))


def _address(array: Bytes) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
