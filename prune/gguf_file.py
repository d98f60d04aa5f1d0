"""A strict, lazy view of a GGUF file: what is in it and where, without reading its weights.

Model files are untrusted, so every count, length and offset is checked against the file's size before it is used. Long
arrays, such as a vocabulary, are stepped over and decoded only when asked for: opening a 0.5B model takes a fraction
of a second where a reader that makes an object of every token takes several.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.
"""

import math
import mmap
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType

from prune.errors import CheckpointError
from prune.remembering import Remembered

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT_KEY = "general.alignment"
DEFAULT_ALIGNMENT = 32
_MAX_DIMENSIONS = 4
_MAX_NAME_BYTES = 64 * 1024
_MAX_NESTING = 4

_SCALARS: dict[GGUFValueType, struct.Struct] = {
    GGUFValueType.UINT8: struct.Struct("<B"),
    GGUFValueType.INT8: struct.Struct("<b"),
    GGUFValueType.UINT16: struct.Struct("<H"),
    GGUFValueType.INT16: struct.Struct("<h"),
    GGUFValueType.UINT32: struct.Struct("<I"),
    GGUFValueType.INT32: struct.Struct("<i"),
    GGUFValueType.FLOAT32: struct.Struct("<f"),
    GGUFValueType.BOOL: struct.Struct("<?"),
    GGUFValueType.UINT64: struct.Struct("<Q"),
    GGUFValueType.INT64: struct.Struct("<q"),
    GGUFValueType.FLOAT64: struct.Struct("<d"),
}


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Where a tensor lies.

    Attributes:
        name: such as `blk.0.attn_q.weight`.
        shape: as numpy has it, slowest dimension first: a matrix is (outputs, inputs), the reverse of ggml's order.
        type: how the values are stored.
        offset: first byte, counted from the start of the file.
        size: bytes.
    """

    name: str
    shape: tuple[int, ...]
    type: GGMLQuantizationType
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class MetadataEntry:
    """A key and where its entry (key, type and value, as stored) lies in the file: `file[start:end]`."""

    key: str
    type: GGUFValueType
    start: int
    value_start: int
    end: int


_HEADERS: Remembered[tuple[Mapping[str, MetadataEntry], Mapping[str, TensorInfo], int]] = Remembered(4)


class GGUFFile:
    """An open GGUF file.

    Attributes:
        path: the file.
        entries: metadata keys in file order.
        tensors: tensors by name, in file order.
        alignment: bytes each tensor's data is aligned to.
    """

    entries: Mapping[str, MetadataEntry]
    tensors: Mapping[str, TensorInfo]
    alignment: int

    def __init__(self, path: Path) -> None:
        """Opens `path` and checks its header.

        Raises:
            CheckpointError: the file is missing, not GGUF, truncated, or contradicts itself.
        """
        self.path = path
        try:
            with path.open("rb") as file:
                state = os.fstat(file.fileno())
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:  # an empty file cannot be mapped
            raise CheckpointError(f"{path} is empty; fetch or build the model again.") from error
        except OSError as error:
            raise CheckpointError(f"{path} cannot be opened: {error.strerror}.") from error
        try:
            known = _HEADERS.get(state)  # a model is opened several times until it runs
            if known is None:
                self._read_header()
                _HEADERS.keep(state, (self.entries, self.tensors, self.alignment))
            else:
                self.entries, self.tensors, self.alignment = known
        except CheckpointError:
            self._bytes.close()
            raise

    def close(self) -> None:
        """Unmaps the file."""
        self._bytes.close()

    def __enter__(self) -> "GGUFFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def architecture(self) -> str:
        """The value of `general.architecture`, such as `qwen2`."""
        return str(self.value("general.architecture"))

    def value(self, key: str, default: Any = None) -> Any:
        """The decoded value of a metadata key; arrays come as lists, strings as text.

        Raises:
            CheckpointError: there is no such key and no default was given.
        """
        entry = self.entries.get(key)
        if entry is None:
            if default is None:
                raise CheckpointError(f"{self.path} has no metadata key {key!r}; it is not a usable model.")
            return default
        return self._decode(entry.type, entry.value_start)[0]

    def raw_entry(self, key: str) -> bytes:
        """A metadata entry's bytes as stored: key, type and value."""
        entry = self.entries[key]
        return self._bytes[entry.start : entry.end]

    def tensor(self, name: str) -> TensorInfo:
        """Where the tensor of this name lies.

        Raises:
            CheckpointError: there is none.
        """
        try:
            return self.tensors[name]
        except KeyError:
            raise CheckpointError(f"{self.path} has no tensor {name!r}; it is not a usable model.") from None

    def read(self, info: TensorInfo) -> npt.NDArray[np.uint8]:
        """A tensor's bytes as stored, in memory of their own (nothing of the file stays mapped through it)."""
        with self.path.open("rb") as file:
            file.seek(info.offset)
            data = np.fromfile(file, dtype=np.uint8, count=info.size)
        if data.size != info.size:
            raise CheckpointError(f"{self.path} was cut short while being read, at tensor {info.name!r}.")
        return data

    def copy_chunks(self, info: TensorInfo, chunk: int = 1 << 22) -> Iterator[bytes]:
        """A tensor's bytes in pieces, for copying without holding it whole."""
        with self.path.open("rb") as file:
            file.seek(info.offset)
            left = info.size
            while left:
                data = file.read(min(chunk, left))
                if not data:
                    raise CheckpointError(f"{self.path} was cut short while being read, at tensor {info.name!r}.")
                left -= len(data)
                yield data

    # Reading the header

    def _read_header(self) -> None:
        if self._take(0, 4) != MAGIC:
            raise CheckpointError(f"{self.path} is not a GGUF file (it does not begin with 'GGUF').")
        version = self._number("<I", 4)
        if version not in VERSIONS:
            raise CheckpointError(f"{self.path} is GGUF version {version}; versions 2 and 3 are supported.")
        tensor_count, entry_count = self._number("<Q", 8), self._number("<Q", 16)
        position = self._read_entries(24, entry_count)
        alignment = self.value(ALIGNMENT_KEY, DEFAULT_ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1) or alignment > 1 << 20:
            raise self._corrupted(f"the alignment {alignment!r} is not a power of two")
        self.alignment = alignment
        self._read_tensor_infos(position, tensor_count)

    def _read_entries(self, position: int, count: int) -> int:
        entries: dict[str, MetadataEntry] = {}
        for _ in range(count):
            start = position
            key, position = self._string(position, limit=_MAX_NAME_BYTES)
            value_type = self._value_type(position)
            position += 4
            end = self._skip(value_type, position)
            if key in entries:
                raise self._corrupted(f"the metadata key {key!r} appears twice")
            entries[key] = MetadataEntry(key, value_type, start, position, end)
            position = end
        self.entries = entries
        return position

    def _read_tensor_infos(self, position: int, count: int) -> None:
        infos = []
        for _ in range(count):
            name, position = self._string(position, limit=_MAX_NAME_BYTES)
            dimensions = self._number("<I", position)
            if not 1 <= dimensions <= _MAX_DIMENSIONS:
                raise self._corrupted(f"tensor {name!r} has {dimensions} dimensions")
            shape = struct.unpack(f"<{dimensions}Q", self._take(position + 4, 8 * dimensions))
            position += 4 + 8 * dimensions
            type_code, offset = self._number("<I", position), self._number("<Q", position + 4)
            position += 12
            infos.append((name, shape[::-1], type_code, offset))
        data_start = -(-position // self.alignment) * self.alignment
        tensors: dict[str, TensorInfo] = {}
        for name, shape, type_code, offset in infos:
            if name in tensors:
                raise self._corrupted(f"tensor {name!r} appears twice")
            tensors[name] = self._checked_info(name, shape, type_code, offset, data_start)
        self.tensors = tensors

    def _checked_info(
        self, name: str, shape: tuple[int, ...], type_code: int, offset: int, data_start: int
    ) -> TensorInfo:
        try:
            tensor_type = GGMLQuantizationType(type_code)
        except ValueError:
            raise self._corrupted(f"tensor {name!r} has the unknown type {type_code}") from None
        block, block_bytes = GGML_QUANT_SIZES[tensor_type]
        if any(extent < 1 for extent in shape) or shape[-1] % block:
            raise self._corrupted(f"tensor {name!r} of type {tensor_type.name} has the impossible shape {shape}")
        size = math.prod(shape) // block * block_bytes
        if offset % self.alignment or data_start + offset + size > len(self._bytes):
            raise self._corrupted(f"tensor {name!r} ({size} bytes at {data_start + offset}) lies outside the file")
        return TensorInfo(name, shape, tensor_type, data_start + offset, size)

    # Stepping through values

    def _corrupted(self, what: str) -> CheckpointError:
        return CheckpointError(f"{self.path} is truncated or corrupted: {what}; fetch or build the model again.")

    def _take(self, position: int, size: int) -> bytes:
        if position + size > len(self._bytes):
            raise self._corrupted(f"its header ends after {len(self._bytes)} bytes")
        return self._bytes[position : position + size]

    def _number(self, form: str, position: int) -> int:
        number: int = struct.unpack(form, self._take(position, struct.calcsize(form)))[0]
        return number

    def _string(self, position: int, limit: int | None = None) -> tuple[str, int]:
        length = self._number("<Q", position)
        if limit is not None and length > limit:
            raise self._corrupted(f"a name of {length} bytes at byte {position}")
        raw = self._take(position + 8, length)
        try:
            return raw.decode("utf-8"), position + 8 + length
        except UnicodeDecodeError:
            if limit is not None:
                raise self._corrupted(f"a name at byte {position} is not UTF-8") from None
            return raw.decode("utf-8", errors="replace"), position + 8 + length

    def _value_type(self, position: int) -> GGUFValueType:
        code = self._number("<I", position)
        try:
            return GGUFValueType(code)
        except ValueError:
            raise self._corrupted(f"the unknown metadata type {code} at byte {position}") from None

    def _skip(self, value_type: GGUFValueType, position: int, depth: int = 0) -> int:
        """The position after a value."""
        if value_type is GGUFValueType.STRING:
            end = position + 8 + self._number("<Q", position)
        elif value_type is GGUFValueType.ARRAY:
            return self._skip_array(position, depth)
        else:
            end = position + _SCALARS[value_type].size
        if end > len(self._bytes):
            raise self._corrupted(f"the value at byte {position} ends outside the file")
        return end

    def _skip_array(self, position: int, depth: int) -> int:
        item_type, count = self._value_type(position), self._number("<Q", position + 4)
        position += 12
        end = len(self._bytes)
        if item_type in _SCALARS:
            if count > (end - position) // _SCALARS[item_type].size:
                raise self._corrupted(f"an array of {count} values at byte {position} ends outside the file")
            return position + count * _SCALARS[item_type].size
        if depth >= _MAX_NESTING or count > (end - position) // 8:
            raise self._corrupted(f"an array of {count} values at byte {position} ends outside the file")
        if item_type is not GGUFValueType.STRING:
            for _ in range(count):
                position = self._skip(item_type, position, depth + 1)
            return position
        # The one hot loop: a vocabulary is hundreds of thousands of strings.
        length_at = struct.Struct("<Q").unpack_from
        buffer = self._bytes
        try:
            for _ in range(count):
                position += 8 + length_at(buffer, position)[0]
        except (struct.error, OverflowError):  # past the end, or past what an address can be
            position = end + 1
        if position > end:
            raise self._corrupted(f"an array of {count} strings ends outside the file")
        return position

    def _decode(self, value_type: GGUFValueType, position: int) -> tuple[Any, int]:
        if value_type is GGUFValueType.STRING:
            return self._string(position)
        if value_type is GGUFValueType.ARRAY:
            item_type, count = self._value_type(position), self._number("<Q", position + 4)
            position += 12
            items = []
            for _ in range(count):
                item, position = self._decode(item_type, position)
                items.append(item)
            return items, position
        form = _SCALARS[value_type]
        return form.unpack(self._take(position, form.size))[0], position + form.size
