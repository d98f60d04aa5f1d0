"""Writing a GGUF file that takes everything from another one but some of its tensors.

Metadata are copied byte for byte, so tokenizer and chat template stay exactly as they were. Tensors are written as they
come, each at its place; only one need be in memory.
"""

import math
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType

from export.beside import NewFile
from export.gguf_stream import header_bytes, string_bytes
from prune.errors import CheckpointError
from prune.gguf_file import GGUFFile, TensorInfo

# Bytes are a value of any other type as a file stores it: the code of its type, then the value.
MetadataValue = str | int | float | bytes


class GGUFRewriter:
    """Writes `path` with the metadata and tensors of `base`, some tensors in another type or with other rows.

    Use as a context manager: `write` every replaced tensor, in any order; `finish` copies the others and checks that
    none is missing. The layout depends on the arguments alone. The file appears whole or not at all.
    """

    def __init__(
        self,
        base: GGUFFile,
        path: Path,
        replaced: Mapping[str, GGMLQuantizationType],
        metadata: Mapping[str, MetadataValue],
        rows: Mapping[str, int] | None = None,
    ) -> None:
        """Lays the file out and writes its header.

        Args:
            base: the file to take from.
            path: the file to write; it must not exist.
            replaced: the tensors that `write` will give, and the type they are stored in.
            metadata: entries to set; an entry of the base keeps its place and must keep its type.
            rows: how many rows a replaced tensor gets, where that is another number than it has.

        Raises:
            CheckpointError: `base` has no tensor of a replaced name, or a shape that its type cannot store.
            FileExistsError: `path` is there.
        """
        self._base = base
        self._replaced = frozenset(replaced)
        self._missing = set(replaced)
        self._tensors = _layout(base, replaced, rows or {})
        entries = changed_entries(base, metadata)
        head = header_bytes(entries, list(self._tensors.values()))
        self._data_start = _aligned(len(head), base.alignment)
        self._new = NewFile(path)
        self._file = self._new.file
        try:
            self._file.write(head)
        except BaseException:
            self._new.close()
            raise

    def __enter__(self) -> "GGUFRewriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._new.close()

    def write(self, name: str, stored: npt.NDArray[np.uint8]) -> None:
        """Puts a replaced tensor in its place, given its bytes as stored.

        Raises:
            ValueError: the tensor was not announced, was written before, or has another size.
        """
        self.write_pieces(name, [stored])

    def write_pieces(self, name: str, pieces: Iterable[npt.NDArray[np.uint8]]) -> None:
        """Puts a replaced tensor in its place, given its bytes as stored, piece by piece; as `write`."""
        if name not in self._missing:
            raise ValueError(f"tensor {name!r} was not announced as replaced, or is written already")
        info = self._tensors[name]
        self._file.seek(self._data_start + info.offset)
        written = 0
        for stored in pieces:
            written += stored.nbytes
            if written > info.size:
                break
            self._file.write(np.ascontiguousarray(stored).data)
        if written != info.size:
            raise ValueError(f"tensor {name!r} takes {info.size} bytes, {written} were given")
        self._missing.remove(name)

    def finish(self) -> None:
        """Copies the tensors that were not replaced, makes the file durable, and gives it its name.

        Raises:
            ValueError: a replaced tensor was never written.
        """
        if self._missing:
            raise ValueError(f"{len(self._missing)} tensors were not written, {min(self._missing)!r} among them")
        end = 0
        for name, info in self._tensors.items():
            if name not in self._replaced:
                self._file.seek(self._data_start + info.offset)
                for piece in self._base.copy_chunks(self._base.tensors[name]):
                    self._file.write(piece)
            end = self._data_start + _aligned(info.offset + info.size, self._base.alignment)
        self._file.truncate(end)
        self._new.finish()


def _aligned(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment


def _layout(
    base: GGUFFile, replaced: Mapping[str, GGMLQuantizationType], rows: Mapping[str, int]
) -> dict[str, TensorInfo]:
    """The tensors in the base's order, with offsets counted from the start of the data."""
    for name in replaced:
        base.tensor(name)
    tensors: dict[str, TensorInfo] = {}
    offset = 0
    for name, source in base.tensors.items():
        tensor_type = replaced.get(name, source.type)
        block, block_bytes = GGML_QUANT_SIZES[tensor_type]
        if source.shape[-1] % block:
            raise CheckpointError(
                f"{base.path}: tensor {name!r} has rows of {source.shape[-1]} values, which {tensor_type.name} cannot "
                f"store (it takes them by {block}); choose another base model."
            )
        shape = (rows.get(name, source.shape[0]), *source.shape[1:])
        size = math.prod(shape) // block * block_bytes
        tensors[name] = TensorInfo(name, shape, tensor_type, offset, size)
        offset = _aligned(offset + size, base.alignment)
    return tensors


def changed_entries(base: GGUFFile, changes: Mapping[str, MetadataValue]) -> list[bytes]:
    """The base's metadata as stored, with some values changed and others added at the end.

    Raises:
        CheckpointError: an entry of the base would change its type.
    """
    kept = [
        _entry_bytes(key, changes[key], entry.type) if key in changes else base.raw_entry(key)
        for key, entry in base.entries.items()
    ]
    return kept + [_entry_bytes(key, value) for key, value in changes.items() if key not in base.entries]


def _entry_bytes(key: str, value: MetadataValue, value_type: GGUFValueType | None = None) -> bytes:
    if isinstance(value, bytes):
        natural, raw = GGUFValueType(struct.unpack_from("<I", value)[0]), value[4:]
    elif isinstance(value, str):
        natural, raw = GGUFValueType.STRING, string_bytes(value)
    elif isinstance(value, int):
        natural, raw = GGUFValueType.UINT32, struct.pack("<I", value)
    else:
        natural, raw = GGUFValueType.FLOAT32, struct.pack("<f", value)
    if value_type not in (None, natural):
        raise CheckpointError(f"The metadata key {key!r} holds a {value_type.name}, not a {natural.name}.")
    return string_bytes(key) + struct.pack("<I", natural.value) + raw
