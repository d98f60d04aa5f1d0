"""Writing a sparse GGUF: everything of a plain one, with some matrices packed."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from export.gguf_stream import GGUFStream, header_size
from export.gguf_writer import MetadataValue, changed_entries
from export.sparse.dense import exact_dense_type
from export.sparse.errors import SparseFileError
from export.sparse.layout import SparseFormat, SparseLayout
from export.sparse.packing import CodedMatrix, pack
from export.sparse.records import (
    PACKED_SUFFIX,
    FileDigest,
    SparseTensor,
    record_entries,
    refuse_sparse,
)
from prune.gguf_file import GGUFFile, TensorInfo

LEAST_ALIGNMENT = 32
LONGEST_NAME = 63  # bytes; ggml refuses longer ones
_I8 = GGMLQuantizationType.I8


@dataclass(frozen=True, slots=True)
class PackedForm:
    """How a matrix is to be stored.

    Attributes:
        format: pattern, value type and block size.
        dense_type: the plain type it is given back as; by default the smallest with the same values.
    """

    format: SparseFormat
    dense_type: GGMLQuantizationType | None = None


class SparseWriter:
    """Writes a sparse GGUF beside its place; a context manager.

    Tensors lie in the file in the order of `write`, `write_other` and `copy`; `finish` copies what is left. The bytes
    depend on the arguments alone. Of the tensors, one at a time need be in memory.
    """

    def __init__(
        self,
        base: GGUFFile,
        path: Path,
        forms: Mapping[str, PackedForm],
        metadata: Mapping[str, MetadataValue] | None = None,
    ) -> None:
        """Begins the file.

        Args:
            base: where metadata and all other tensors come from.
            path: the file to write; it must not exist.
            forms: the matrices that `write` will give, by name.
            metadata: entries to set; an entry of the base keeps its place and must keep its type.

        Raises:
            CheckpointError: `base` has no matrix of such a name, or cannot be written as a sparse GGUF.
            UsageError: `path` is there, or cannot be written.
        """
        _check(base, forms)
        self._base = base
        self._tensors = {name: _announced(base.tensor(name), form) for name, form in forms.items()}
        self._packed: dict[str, SparseTensor] = {}
        self._others: set[str] = set()
        self._entries = changed_entries(base, metadata or {})
        self._digest = FileDigest(self._entries)
        names = [
            (info.name + PACKED_SUFFIX, 1) if info.name in forms else (info.name, len(info.shape))
            for info in base.tensors.values()
        ]
        header = header_size([*self._entries, *record_entries(list(self._tensors.values()))], names)
        self._stream = GGUFStream(path, header, base.alignment)

    def __enter__(self) -> "SparseWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.__exit__(kind, error, trace)

    def write(self, name: str, matrix: CodedMatrix) -> SparseTensor:
        """Packs an announced matrix and puts it next; what the file says of it comes back.

        Raises:
            SparseFileError: it cannot be packed in the form that was announced.
            ValueError: it was not announced, is written already, or has another shape.
        """
        if name not in self._tensors or name in self._packed:
            raise ValueError(f"tensor {name!r} was not announced as packed, or is written already")
        announced = self._tensors[name]
        if matrix.codes.shape != announced.shape:
            raise ValueError(f"tensor {name!r} has the shape {announced.shape}, {matrix.codes.shape} was given")
        try:
            packed = pack(matrix, announced.layout.format)
        except ValueError as error:
            raise SparseFileError(
                f"{self._base.path}: tensor {name!r} cannot be packed: {error}; choose another pattern, value type or "
                "block size for it."
            ) from error
        tensor = replace(announced, layout=packed.layout)
        tensor = replace(tensor, digest=tensor.digest_of(packed.data))
        self._stream.append(tensor.packed_name, (packed.data.size,), _I8, [packed.data.data])
        self._digest.add_packed(tensor)
        self._packed[name] = tensor
        return tensor

    def copy(self, name: str) -> None:
        """Puts a tensor next as the base has it.

        Raises:
            ValueError: it was announced as packed, or is written already.
        """
        info = self._base.tensor(name)
        self._append(info, self._base.copy_chunks(info))

    def write_other(self, name: str, kind: GGMLQuantizationType, pieces: Iterable[npt.NDArray[np.uint8]]) -> None:
        """Puts a tensor that is not packed next in another type, given its bytes in that one, piece by piece.

        Raises:
            ValueError: it was announced as packed, is written already, or the bytes are not as many as it takes.
        """
        info = self._base.tensor(name)
        block, block_bytes = GGML_QUANT_SIZES[kind]
        size = math.prod(info.shape) // block * block_bytes
        written = self._append(replace(info, type=kind), (np.ascontiguousarray(piece).tobytes() for piece in pieces))
        if written != size:
            raise ValueError(f"tensor {name!r} takes {size} bytes as {kind.name}, {written} were given")

    def _append(self, info: TensorInfo, pieces: Iterable[bytes]) -> int:
        if info.name in self._tensors or info.name in self._others:
            raise ValueError(f"tensor {info.name!r} was announced as packed, or is written already")
        self._others.add(info.name)
        return self._stream.append(info.name, info.shape, info.type, self._digest.passing(info, pieces))

    def finish(self) -> None:
        """Copies the tensors that are left, completes the file and gives it its name.

        Raises:
            ValueError: a matrix was announced and never written.
        """
        if missing := self._tensors.keys() - self._packed.keys():
            raise ValueError(f"{len(missing)} matrices were not written, {min(missing)!r} among them")
        for name in self._base.tensors:
            if name not in self._tensors and name not in self._others:
                self.copy(name)
        records = [self._packed[name] for name in self._tensors]
        self._stream.finish([*self._entries, *record_entries(records, self._digest.value())])


def _check(base: GGUFFile, forms: Mapping[str, PackedForm]) -> None:
    refuse_sparse(base)
    if base.alignment < LEAST_ALIGNMENT:
        raise SparseFileError(
            f"{base.path} aligns its tensors to {base.alignment} bytes, and packed ones take {LEAST_ALIGNMENT}; write "
            "it anew with the default alignment."
        )
    for name in forms:
        packed_name = name + PACKED_SUFFIX
        if len(base.tensor(name).shape) != 2:
            raise SparseFileError(f"{base.path}: tensor {name!r} is not a matrix; leave it as it is.")
        if packed_name in base.tensors:
            raise SparseFileError(
                f"{base.path}: a tensor has the name {packed_name!r} already; leave {name!r} as it is."
            )
        if len(packed_name.encode()) > LONGEST_NAME:
            raise SparseFileError(f"{base.path}: the name {name!r} is too long for a packed matrix; leave it as it is.")


def _announced(info: TensorInfo, form: PackedForm) -> SparseTensor:
    rows, columns = info.shape
    dense_type = exact_dense_type(form.format.values, columns) if form.dense_type is None else form.dense_type
    return SparseTensor(info.name, SparseLayout(rows, columns, form.format, None), dense_type)
