"""Writing a GGUF file whose tensors' sizes are known only once they are there.

Room for the header is left first, for which names and dimensions are enough; tensors follow in the order they come, and
the header is written last. The file appears under its name once it is whole.
"""

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from gguf.constants import GGMLQuantizationType, GGUFValueType

from export.beside import NewFile, named_refusals
from prune.gguf_file import MAGIC, TensorInfo

_VERSION = 3
_FORMATS = {GGUFValueType.UINT32: "I", GGUFValueType.UINT64: "Q", GGUFValueType.INT64: "q"}


class GGUFStream:
    """Writes a GGUF file from front to back; use as a context manager.

    Unless `finish` was called, nothing is left when it ends.
    """

    def __init__(self, path: Path, header_bytes: int, alignment: int) -> None:
        """Begins a file beside `path`.

        Args:
            path: where the file will be.
            header_bytes: what `header_size` gave for its header.
            alignment: bytes each tensor's data is aligned to, as the metadata say.

        Raises:
            UsageError: `path` is there, or nothing can be written beside it.
        """
        self._path = path
        self._header_bytes = header_bytes
        self._alignment = alignment
        self._start = self._end = -(-header_bytes // alignment) * alignment
        self._infos: list[TensorInfo] = []
        with named_refusals(path):
            self._new = NewFile(path)
        self._file = self._new.file

    def __enter__(self) -> "GGUFStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._new.close()

    def append(
        self, name: str, shape: tuple[int, ...], value_type: GGMLQuantizationType, pieces: Iterable[bytes | memoryview]
    ) -> int:
        """The next tensor, its data in pieces; how many bytes they have comes back.

        Raises:
            UsageError: the disk is full, or fails.
        """
        start = self._end
        with named_refusals(self._path):
            self._file.seek(start)
        for piece in pieces:
            with named_refusals(self._path):
                self._file.write(piece)
        with named_refusals(self._path):
            end = self._file.tell()
        self._infos.append(TensorInfo(name, shape, value_type, start - self._start, end - start))
        self._end = -(-end // self._alignment) * self._alignment
        return end - start

    def finish(self, entries: Sequence[bytes]) -> None:
        """Writes the header, makes the file durable, and gives it its name.

        Raises:
            ValueError: the header does not take the bytes that were left for it.
            UsageError: the disk is full, or fails.
        """
        head = header_bytes(entries, self._infos)
        if len(head) != self._header_bytes:
            raise ValueError(f"the header takes {len(head)} bytes, {self._header_bytes} were left for it")
        with named_refusals(self._path):
            self._file.truncate(self._end)
            self._file.seek(0)
            self._file.write(head)
            self._new.finish()


def header_size(entries: Iterable[bytes], tensors: Iterable[tuple[str, int]]) -> int:
    """Bytes of the header with these metadata, for tensors given as name and number of dimensions."""
    names = sum(8 + len(name.encode()) + 4 + 8 * dimensions + 4 + 8 for name, dimensions in tensors)
    return 24 + sum(map(len, entries)) + names


def header_bytes(entries: Sequence[bytes], infos: Sequence[TensorInfo]) -> bytes:
    """The header of a file with these metadata and tensors, whose offsets count from where the first begins."""
    preamble = MAGIC + struct.pack("<IQQ", _VERSION, len(infos), len(entries))
    return b"".join([preamble, *entries, *(info_bytes(info) + struct.pack("<Q", info.offset) for info in infos)])


def info_bytes(info: TensorInfo) -> bytes:
    """A tensor's name, dimensions and type as a header has them; its offset would follow."""
    dimensions = info.shape[::-1]
    return (
        string_bytes(info.name)
        + struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)
        + struct.pack("<I", info.type.value)
    )


def string_bytes(text: str) -> bytes:
    """A string as GGUF stores it."""
    raw = text.encode("utf-8")
    return struct.pack("<Q", len(raw)) + raw


def entry_bytes(key: str, value_type: GGUFValueType, value: str | int | Sequence[str] | Sequence[int]) -> bytes:
    """A metadata entry: one value of the type, or an array of such values."""
    head = string_bytes(key)
    if isinstance(value, str | int):
        return head + struct.pack("<I", value_type.value) + _value_bytes(value_type, value)
    items = b"".join(_value_bytes(value_type, item) for item in value)
    return head + struct.pack("<IIQ", GGUFValueType.ARRAY.value, value_type.value, len(value)) + items


def _value_bytes(value_type: GGUFValueType, value: str | int) -> bytes:
    return string_bytes(value) if isinstance(value, str) else struct.pack("<" + _FORMATS[value_type], value)
