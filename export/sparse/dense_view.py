"""A sparse GGUF seen as the plain one that it stands for, unpacked as it is read."""

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from gguf.constants import GGML_QUANT_SIZES, GGUFValueType

from export.gguf_stream import entry_bytes, header_bytes
from export.sparse.reader import SparseFile
from export.sparse.records import PREFIX, other_entries
from prune.gguf_file import ALIGNMENT_KEY, TensorInfo


class DenseView:
    """The bytes of the plain GGUF that `sparse_to_dense` would write, without writing it; a context manager.

    One tensor is in memory at a time. Not for several threads at once.

    Attributes:
        size: of the plain file, in bytes.
    """

    def __init__(self, path: Path, alignment: int | None = None) -> None:
        """Opens a sparse GGUF.

        Args:
            path: the file.
            alignment: where tensors begin, a power of two; by default as in the file. Who reads in blocks of so many
                bytes gets no end of a tensor that it did not ask for, which would have to be unpacked.

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
        data = self._aligned(len(self._header))
        self._tensors = {data + info.offset: info for info in infos}
        self._starts = list(self._tensors)
        self.size = data + sum(self._aligned(info.size) for info in infos)
        self._last: tuple[str, memoryview] | None = None

    def __enter__(self) -> "DenseView":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._last = None
        self._sparse.close()

    def read_into(self, offset: int, target: memoryview) -> int:
        """Fills `target` with the plain file's bytes from `offset` on, and gives how many.

        That is fewer than there is room for where a tensor ends, so that none is unpacked that nobody asked for, and 0
        at the end of the file.

        Raises:
            SparseFileError: a packed matrix is not what was written.
        """
        index = bisect_right(self._starts, offset) - 1
        if index < 0:
            return _copy(self._header, 0, self._starts[0] if self._starts else self.size, offset, target)
        start = self._starts[index]
        end = self._starts[index + 1] if index + 1 < len(self._starts) else self.size
        return _copy(self._data(self._tensors[start]), start, end, offset, target)

    def _data(self, info: TensorInfo) -> memoryview:
        if self._last is None or self._last[0] != info.name:
            self._last = None  # before the next is there
            sparse = self._sparse
            packed = info.name in sparse.tensors
            data = sparse.dense(info.name) if packed else sparse.file.read(sparse.file.tensor(info.name))
            self._last = info.name, data.reshape(-1).data.cast("B")
        return self._last[1]

    def _infos(self) -> Iterator[TensorInfo]:
        """The plain file's tensors, offsets counted from where the first begins."""
        offset = 0
        for name in self._sparse.dense_tensors():
            if (tensor := self._sparse.tensors.get(name)) is not None:
                block, block_bytes = GGML_QUANT_SIZES[tensor.dense_type]
                size = tensor.shape[0] * tensor.shape[1] // block * block_bytes
                info = TensorInfo(name, tensor.shape, tensor.dense_type, offset, size)
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


def _copy(data: bytes | memoryview, start: int, end: int, offset: int, target: memoryview) -> int:
    """Copies what a target at `offset` takes of the data at `start`, which zeros follow up to `end`."""
    size = max(0, min(end - offset, len(target)))
    from_data = max(0, min(start + len(data) - offset, size))
    target[:from_data] = data[offset - start : offset - start + from_data]
    target[from_data:size] = bytes(size - from_data)
    return size
