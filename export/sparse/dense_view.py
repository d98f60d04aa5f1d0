"""A sparse GGUF seen as the plain one that it stands for, unpacked as it is read."""

from bisect import bisect_right
from collections.abc import Collection, Iterator
from functools import partial
from mmap import mmap
from pathlib import Path
from typing import Protocol

import numpy as np
from gguf.constants import GGUFValueType

from export.gguf_stream import entry_bytes, header_bytes
from export.sparse.ahead import MadeAhead, Making
from export.sparse.errors import damaged
from export.sparse.native import can_unpack, unpack_part
from export.sparse.packing import PackedMatrix
from export.sparse.reader import SparseFile
from export.sparse.records import PREFIX, other_entries
from export.sparse.values import Bytes
from prune.gguf_file import ALIGNMENT_KEY, TensorInfo

_MOST_AHEAD = 512 << 20
_MOST_TAKEN_AHEAD = 64 << 20


class TakenMatrices(Protocol):
    """Who takes packed matrices in a form of its own, not unpacked."""

    @property
    def names(self) -> Collection[str]:
        """Of the matrices."""
        ...

    def convert(self, name: str, packed: PackedMatrix) -> Bytes:
        """A matrix in that form; called in any thread.

        Raises:
            ValueError: the bytes are not those of such a matrix.
        """
        ...

    def give(self, name: str, converted: Bytes) -> None:
        """Takes it: it stays in memory until the next is given, or the file is closed."""
        ...


class DenseView:
    """The bytes of the plain GGUF that `sparse_to_dense` would write, without writing it; a context manager.

    Not for several threads at once.

    Attributes:
        size: of the plain file, in bytes.
        data_start: where its first tensor begins.
    """

    def __init__(
        self, path: Path, alignment: int | None = None, *, ahead: bool = False, taken: TakenMatrices | None = None
    ) -> None:
        """Opens a sparse GGUF.

        Args:
            path: the file.
            alignment: where tensors begin, a power of two; by default as in the file. Who reads in blocks of so many
                bytes gets no end of a tensor that it did not ask for, which would have to be unpacked.
            ahead: unpack in threads, before it is read, up to half a gigabyte. Who copies what is read into memory that
                was not touched before has no more in memory at any time than in the end. Otherwise one matrix is in
                memory at a time.
            taken: who takes some matrices in a form of its own. Those are not unpacked: when the first bytes of one are
                read, it is given, and what is read of it is left as it was.

        Raises:
            CheckpointError: it is no sparse GGUF, or its header is damaged.
        """
        self._sparse = SparseFile(path)
        try:
            self._alignment = self._sparse.file.alignment if alignment is None else alignment
            entries = self._entries(alignment)
            infos = list(self._infos())
        except BaseException:
            self._sparse.close()
            raise
        self._header = header_bytes(entries, infos)
        self.data_start = self._aligned(len(self._header))
        self._tensors = {self.data_start + info.offset: info for info in infos}
        self._starts = list(self._tensors)
        self.size = self.data_start + sum(self._aligned(info.size) for info in infos)
        self._taken = taken
        budget = 0
        if ahead:
            budget = _MOST_AHEAD if taken is None else _MOST_TAKEN_AHEAD
        packed = [info for info in infos if info.name in self._sparse.tensors]
        if taken is not None:  # llama.cpp asks for the largest first where it cannot read into their place
            packed.sort(key=lambda info: (info.name not in taken.names, -info.size))
        self._made = MadeAhead({info.name: self._making(info) for info in packed}, budget)
        self._last: tuple[str, Bytes] | None = None
        sizes = (self._sparse.file.tensor(tensor.packed_name).size for tensor in self._sparse.tensors.values())
        self._packed_bytes = np.empty(max(sizes, default=0), dtype=np.uint8)

    def __enter__(self) -> "DenseView":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._last = None
        self._made.close()
        self._sparse.close()

    def read_into(self, offset: int, target: memoryview) -> int:
        """Fills `target` with the plain file's bytes from `offset` on, and gives how many.

        That is fewer than there is room for where a tensor ends, so that none is unpacked that nobody asked for, and 0
        at the end of the file.

        Raises:
            SparseFileError: a packed matrix is not what was written.
        """
        index = bisect_right(self._starts, offset) - 1
        info = self._tensors[self._starts[index]] if index >= 0 else None
        start, stored = (self._starts[index], info.size) if info is not None else (0, len(self._header))
        end = self._starts[index + 1] if index + 1 < len(self._starts) else self.size
        size = max(0, min(end - offset, len(target)))
        there = max(0, min(start + stored - offset, size))
        if there:
            self._fill(info, offset - start, target[:there])
        target[there:size] = bytes(size - there)
        return size

    def check_unchanged(self) -> None:
        """Says whether what was read is what was checked, once all was read.

        Raises:
            SparseFileError: the file was changed meanwhile.
        """
        self._sparse.check_unchanged()

    def _fill(self, info: TensorInfo | None, start: int, target: memoryview) -> None:
        """Fills the target with what a tensor has from byte `start` on, or with what the header has."""
        if info is None:
            target[:] = self._header[start : start + len(target)]
        elif self._taken is not None and info.name in self._taken.names:
            if start == 0:
                self._taken.give(info.name, self._matrix(info.name))
        elif info.name in self._sparse.tensors:
            self._fill_unpacked(info, start, np.frombuffer(target, dtype=np.uint8))
        else:
            self._sparse.read_into(self._sparse.file.tensor(info.name).offset + start, target)

    def _fill_unpacked(self, info: TensorInfo, start: int, target: Bytes) -> None:
        made = self._matrix(info.name)
        if can_unpack(info.type):
            packed = PackedMatrix(self._sparse.tensors[info.name].layout, made)
            if unpack_part(packed, info.type, start, target):
                return
            made = self._sparse.dense(info.name).ravel()  # which says what is wrong with it
        target[:] = made[start : start + target.size]

    def _making(self, info: TensorInfo) -> Making:
        """A packed matrix as what it is read from: what `taken` makes of it, or its plain bytes.

        Where native code unpacks, it is checked beforehand, and read again when it is asked for: to hold it meanwhile
        would take longer, as memory has to be made for it.
        """
        name = info.name
        if self._taken is not None and name in self._taken.names:
            return Making(partial(self._converted, self._taken, name), info.size)
        if can_unpack(info.type):
            return Making(partial(self._sparse.check_matrix, name), 0)
        return Making(partial(self._unpacked, info), info.size)

    def _converted(self, taken: TakenMatrices, name: str) -> Bytes:
        packed = self._sparse.checked(name)
        try:
            return taken.convert(name, packed)
        except ValueError as error:
            raise damaged(self._sparse.path, str(error), name) from error

    def _unpacked(self, info: TensorInfo) -> Bytes:
        # Memory of its own, which is the system's again once nobody has the array any more.
        out = np.frombuffer(mmap(-1, info.size), dtype=np.uint8)
        self._sparse.dense_into(info.name, out)
        return out

    def _matrix(self, name: str) -> Bytes:
        if self._last is None or self._last[0] != name:
            self._last = None  # before the next is there
            made = self._made.take(name)
            self._last = name, self._sparse.unchecked(name, self._packed_bytes) if made is None else made
        return self._last[1]

    def _infos(self) -> Iterator[TensorInfo]:
        """The plain file's tensors, offsets counted from where the first begins."""
        offset = 0
        for name in self._sparse.dense_tensors():
            if (tensor := self._sparse.tensors.get(name)) is not None:
                info = TensorInfo(name, tensor.shape, tensor.dense_type, offset, tensor.dense_size)
            else:
                there = self._sparse.file.tensor(name)
                info = TensorInfo(name, there.shape, there.type, offset, there.size)
            yield info
            offset += self._aligned(info.size)

    def _entries(self, alignment: int | None) -> list[bytes]:
        file = self._sparse.file
        if alignment is None:
            return other_entries(file)
        kept = (key for key in file.entries if key != ALIGNMENT_KEY and not key.startswith(PREFIX))
        return [*map(file.raw_entry, kept), entry_bytes(ALIGNMENT_KEY, GGUFValueType.UINT32, alignment)]

    def _aligned(self, size: int) -> int:
        return -(-size // self._alignment) * self._alignment
