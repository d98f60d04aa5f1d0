"""What a sparse GGUF's metadata say of its packed matrices, and the digests that cover the file."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType

from export.gguf_stream import entry_bytes, info_bytes, string_bytes
from export.sparse.errors import SparseFileError, damaged
from export.sparse.layout import Pattern, SparseFormat, SparseLayout, ValueType
from export.sparse.values import Bytes
from prune.errors import UsageError
from prune.gguf_file import GGUFFile, TensorInfo

VERSION = 1
PREFIX = "sned.sparse."
PACKED_SUFFIX = ".packed"
NO_DIGEST = "0" * 64
_TABLE = -1
_STRING, _UINT32 = GGUFValueType.STRING, GGUFValueType.UINT32
_UINT64, _INT64 = GGUFValueType.UINT64, GGUFValueType.INT64


@dataclass(frozen=True, slots=True)
class SparseTensor:
    """A packed matrix, as the metadata describe it.

    Attributes:
        name: the matrix's own, such as `blk.0.attn_q.weight`.
        layout: its shape and parts.
        dense_type: the plain type that it is given back as.
        digest: SHA-256 of what is said here and of the packed bytes, in hexadecimal.
    """

    name: str
    layout: SparseLayout
    dense_type: GGMLQuantizationType
    digest: str = NO_DIGEST

    @property
    def packed_name(self) -> str:
        """The name of the tensor that holds the packed bytes."""
        return self.name + PACKED_SUFFIX

    @property
    def shape(self) -> tuple[int, int]:
        """(outputs, inputs)."""
        return self.layout.rows, self.layout.columns

    @property
    def dense_size(self) -> int:
        """Bytes that the matrix takes in a plain file."""
        block, block_bytes = GGML_QUANT_SIZES[self.dense_type]
        return int(self.layout.rows * self.layout.columns // block * block_bytes)

    def digest_of(self, packed: Bytes) -> str:
        """The digest that `packed` should have."""
        return self.digest_of_pieces([packed])

    def digest_of_pieces(self, packed: Iterable[Bytes]) -> str:
        """As `digest_of`, of bytes that come in pieces."""
        layout = self.layout
        form = layout.format
        kept = _TABLE if layout.kept is None else layout.kept
        line = (
            f"{PREFIX}{VERSION} {layout.rows} {layout.columns} {form.pattern} {form.values} {form.block} {kept} "
            f"{self.dense_type.name} {self.name}\n"
        )
        digest = hashlib.sha256(line.encode())
        for piece in packed:
            digest.update(np.ascontiguousarray(piece).data)
        return digest.hexdigest()


class FileDigest:
    """SHA-256 of what a file holds: its other metadata, then its tensors, each packed one by its own digest."""

    def __init__(self, entries: Iterable[bytes]) -> None:
        """Begins with the metadata, as stored, in file order."""
        self._digest = hashlib.sha256(f"{PREFIX}{VERSION}\n".encode())
        for entry in entries:
            self._digest.update(entry)

    def add_packed(self, tensor: SparseTensor) -> None:
        """The next tensor is a packed one."""
        self._digest.update(string_bytes(tensor.packed_name) + tensor.digest.encode())

    def passing(self, info: TensorInfo, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The next tensor is an ordinary one: its pieces are passed on."""
        self._digest.update(info_bytes(info))
        for piece in pieces:
            self._digest.update(piece)
            yield piece

    def value(self) -> str:
        """The digest, in hexadecimal."""
        return self._digest.hexdigest()


def is_sparse(file: GGUFFile) -> bool:
    """Whether an open GGUF is a sparse one, of whatever version."""
    return any(key.startswith(PREFIX) for key in file.entries)


def refuse_sparse(file: GGUFFile) -> None:
    """Refuses a file that is a sparse GGUF.

    Raises:
        SparseFileError: it is one.
    """
    if is_sparse(file):
        raise SparseFileError(f"{file.path} is a sparse GGUF already; turn it into a plain one first.")


def other_entries(file: GGUFFile) -> list[bytes]:
    """The metadata, as stored, that are not this format's."""
    return [file.raw_entry(key) for key in file.entries if not key.startswith(PREFIX)]


def record_entries(tensors: Sequence[SparseTensor], file_digest: str = NO_DIGEST) -> list[bytes]:
    """The metadata of packed matrices; their length does not depend on digests and counts."""
    forms = [tensor.layout.format for tensor in tensors]
    kept = [tensor.layout.kept for tensor in tensors]
    values: list[tuple[str, GGUFValueType, Any]] = [
        ("version", _UINT32, VERSION),
        ("digest", _STRING, file_digest),
        ("names", _STRING, [tensor.name for tensor in tensors]),
        ("shapes", _UINT64, [extent for tensor in tensors for extent in tensor.shape]),
        ("patterns", _STRING, [str(form.pattern) for form in forms]),
        ("values", _STRING, [str(form.values) for form in forms]),
        ("blocks", _UINT32, [form.block for form in forms]),
        ("kept", _INT64, [_TABLE if count is None else count for count in kept]),
        ("dense_types", _STRING, [tensor.dense_type.name for tensor in tensors]),
        ("digests", _STRING, [tensor.digest for tensor in tensors]),
    ]
    return [entry_bytes(PREFIX + key, value_type, value) for key, value_type, value in values]


def read_records(file: GGUFFile) -> dict[str, SparseTensor]:
    """The packed matrices by name, in the order of the metadata.

    Raises:
        SparseFileError: the file has no such metadata, or they are of another version or contradict each other.
    """
    key = PREFIX + "version"
    if key not in file.entries:
        raise SparseFileError(f"{file.path} is not a sparse GGUF (it has no metadata key {key!r}); use it as it is.")
    if file.entries[key].type is not _UINT32:
        raise damaged(file.path, f"its metadata key {key!r} is no number")
    if (version := file.value(key)) != VERSION:
        raise SparseFileError(
            f"{file.path} is a sparse GGUF of version {version}, and this program reads version {VERSION}; "
            "update sned, or build the model again."
        )
    names: list[str] = _array(file, "names", str)
    count = len(names)
    shapes: list[int] = _array(file, "shapes", int, 2 * count)
    forms = zip(
        _array(file, "patterns", str, count),
        _array(file, "values", str, count),
        _array(file, "blocks", int, count),
        strict=True,
    )
    shapes_and_kept = zip(shapes[::2], shapes[1::2], _array(file, "kept", int, count), strict=True)
    ends = zip(_array(file, "dense_types", str, count), _array(file, "digests", str, count), strict=True)
    tensors: dict[str, SparseTensor] = {}
    for name, form, shape_and_kept, (dense_type, digest) in zip(names, forms, shapes_and_kept, ends, strict=True):
        if name in tensors:
            raise damaged(file.path, "it is described twice", name)
        try:
            layout = _layout(SparseFormat(Pattern.parse(form[0]), ValueType(form[1]), form[2]), *shape_and_kept)
            tensors[name] = SparseTensor(name, layout, GGMLQuantizationType[dense_type], digest)
        except (UsageError, ValueError, KeyError) as error:
            raise damaged(file.path, f"its description makes no sense ({error})", name) from error
    return tensors


def plain_sizes(file: GGUFFile) -> dict[str, int]:
    """Bytes that each tensor of a sparse file takes in a plain one, by its name there.

    Raises:
        SparseFileError: the metadata contradict each other, or the file.
    """
    packed = {tensor.packed_name: tensor for tensor in read_records(file).values()}
    sizes = {}
    for name, info in file.tensors.items():
        if (tensor := packed.get(name)) is None:
            sizes[name] = info.size
            continue
        try:
            tensor.layout.check_size(info.size)
        except ValueError as error:
            raise damaged(file.path, str(error), tensor.name) from error
        sizes[tensor.name] = tensor.dense_size
    return sizes


def read_file_digest(file: GGUFFile) -> str:
    """The digest that the whole file should have.

    Raises:
        SparseFileError: the metadata have none.
    """
    digest = file.value(PREFIX + "digest", "")
    if not isinstance(digest, str) or len(digest) != len(NO_DIGEST):
        raise damaged(file.path, f"its metadata key {PREFIX + 'digest'!r} is missing or no digest")
    return digest


def _layout(form: SparseFormat, rows: int, columns: int, kept: int) -> SparseLayout:
    group = form.pattern.group
    if rows < 1 or columns < 1 or (group and columns % group):
        raise ValueError(f"a shape of {rows} x {columns}")
    if kept != columns // group * form.pattern.kept if group else not _TABLE <= kept <= columns:
        raise ValueError(f"{kept} values kept in rows of {columns}")
    return SparseLayout(rows, columns, form, None if kept == _TABLE else kept)


def _array(file: GGUFFile, name: str, kind: type, count: int | None = None) -> list[Any]:
    """An array of the metadata, of `count` items."""
    key = PREFIX + name
    items = file.value(key, ())
    if not isinstance(items, list) or not all(type(item) is kind for item in items):
        raise damaged(file.path, f"its metadata key {key!r} is missing or no array of {kind.__name__}")
    if count not in (None, len(items)):
        raise damaged(file.path, f"its metadata key {key!r} holds {len(items)} values, not {count}")
    return items
