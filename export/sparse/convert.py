"""From a plain GGUF to a sparse one, and back."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from export.block_scales import quantise_blocks
from export.gguf_stream import GGUFStream, header_size
from export.sparse.dense import DENSE_BLOCK, Q4_0, Q8_0, VALUES_OF, coded, refuse_dense_type, regrouped
from export.sparse.errors import SparseFileError
from export.sparse.layout import BLOCK_SIZES, UNSTRUCTURED, Pattern, SparseFormat, SparseLayout, ValueType
from export.sparse.packing import CodedMatrix
from export.sparse.reader import SparseFile
from export.sparse.records import other_entries, refuse_sparse
from export.sparse.writer import PackedForm, SparseWriter
from export.zero_types import HOLD_ZERO, refuse_without_zero
from prune.errors import UsageError
from prune.gguf_file import GGUFFile, TensorInfo
from prune.weights import read_tensor


@dataclass(frozen=True)
class SparseOptions:
    """How the matrices of a plain GGUF are packed.

    Attributes:
        pattern: which weights may survive.
        values: how survivors are stored; by default as they are, which must be Q8_0 or Q4_0.
        block: weights that share a scale; by default as many as share it already, at most 256. A matrix whose values
            and block are those asked for is taken as it is; any other is quantised anew.
        importance: for matrices that are quantised, what a squared error in each column counts, by tensor name.
    """

    pattern: Pattern = UNSTRUCTURED
    values: ValueType | None = None
    block: int | None = None
    importance: Mapping[str, npt.NDArray[np.floating]] = field(default_factory=dict)


def dense_to_sparse(
    path: Path, out: Path, options: SparseOptions | None = None, names: Collection[str] | None = None
) -> None:
    """Writes a plain GGUF as a sparse one; without options, nothing is rounded.

    Args:
        path: the plain file.
        out: the sparse one; it must not exist.
        options: how matrices are packed.
        names: the matrices to pack; by default those that take fewer bytes then.

    Raises:
        CheckpointError: the file cannot be read, has no such matrix or none that is pruned, or one that cannot be
            packed as asked for.
        UsageError: a matrix is of a type that cannot hold zeros, or `out` cannot be written.
    """
    options = options or SparseOptions()
    with GGUFFile(path) as base:
        refuse_sparse(base)
        if names is None:
            names = pruned_matrices(base, options)
        if not names:
            raise SparseFileError(f"{path} has no pruned matrix that would take less space; keep it as it is.")
        forms = {name: _form(base, name, options) for name in names}
        with SparseWriter(base, out, forms) as writer:
            for name in base.tensors:
                if name in forms:
                    writer.write(name, _matrix(base, name, forms[name].format, options))
                else:
                    writer.copy(name)
            writer.finish()


def sparse_to_dense(path: Path, out: Path, dense_type: GGMLQuantizationType | None = None) -> None:
    """Writes a sparse GGUF as a plain one, with the same values; everything is checked on the way.

    A plain file that was packed without options comes back byte for byte, unless padding in it was not zero.

    Args:
        path: the sparse file.
        out: the plain one; it must not exist.
        dense_type: what packed matrices become: Q8_0, Q4_0 or F32 with the same values, or F16 with those nearest to
            them; by default the type that each had, or the smallest with the same values.

    Raises:
        CheckpointError: the sparse file is damaged.
        UsageError: the type cannot hold a matrix, or `out` cannot be written.
    """
    with SparseFile(path) as sparse:
        types = {
            name: tensor.dense_type if dense_type is None else dense_type for name, tensor in sparse.tensors.items()
        }
        for name, tensor in sparse.tensors.items():
            try:
                refuse_dense_type(types[name], tensor.layout.format.values, tensor.layout.columns)
            except ValueError as error:
                raise UsageError(f"{path}: tensor {name!r}: {error}.") from error
        names = sparse.dense_tensors()
        sizes = [(name, 2 if name in sparse.tensors else len(sparse.file.tensors[name].shape)) for name in names]
        entries = other_entries(sparse.file)
        digest = sparse.begin_digest()
        with GGUFStream(out, header_size(entries, sizes), sparse.file.alignment) as stream:
            for name in names:
                if name in sparse.tensors:
                    tensor = sparse.tensors[name]
                    stream.append(name, tensor.shape, types[name], [sparse.dense(name, types[name]).data])
                    digest.add_packed(tensor)
                else:
                    info = sparse.file.tensors[name]
                    pieces = digest.passing(info, sparse.file.copy_chunks(info))
                    stream.append(name, info.shape, info.type, pieces)
            sparse.check_digest(digest)
            stream.finish(entries)


def pruned_matrices(base: GGUFFile, options: SparseOptions | None = None) -> list[str]:
    """The matrices of a plain GGUF that take fewer bytes packed than as Q8_0 or Q4_0, for 8-bit and 4-bit values.

    Only Q8_0 and Q4_0 matrices are looked at, unless the options have a value type: then all that can hold zeros.

    Raises:
        CheckpointError: the file cannot be read.
    """
    options = options or SparseOptions()
    return [info.name for info in base.tensors.values() if _pays(base, info, options)]


def _pays(base: GGUFFile, info: TensorInfo, options: SparseOptions) -> bool:
    if len(info.shape) != 2 or info.type not in (VALUES_OF if options.values is None else HOLD_ZERO):
        return False
    rows, columns = info.shape
    pattern = options.pattern
    kept = _count_kept(base, info)
    values = options.values or VALUES_OF[info.type]
    if pattern.group and (columns % pattern.group or kept * pattern.group > rows * columns * pattern.kept):
        return False
    each = -(-kept // rows)
    layout = SparseLayout(rows, columns, SparseFormat(pattern, values, options.block or DENSE_BLOCK), each)
    block, block_bytes = GGML_QUANT_SIZES[Q8_0 if values is ValueType.INT8 else Q4_0]
    return bool(layout.least_size * block < rows * columns * block_bytes)


def _count_kept(base: GGUFFile, info: TensorInfo) -> int:
    if info.type in VALUES_OF:
        return int(np.count_nonzero(_coded(base, info).codes))
    return int(np.count_nonzero(read_tensor(base, info.name)))


def _coded(base: GGUFFile, info: TensorInfo) -> CodedMatrix:
    rows, columns = info.shape
    return coded(base.read(info), (rows, columns), info.type)


def _form(base: GGUFFile, name: str, options: SparseOptions) -> PackedForm:
    """How a matrix is packed, which is known before it is."""
    info = base.tensor(name)
    refuse_without_zero(info.type, name)
    as_it_is = VALUES_OF.get(info.type)
    if options.values is None and as_it_is is None:
        raise SparseFileError(
            f"{base.path}: tensor {name!r} is {info.type.name}, which cannot be packed as it is; say whether its "
            "values are to be int8 or int4."
        )
    values = options.values or as_it_is
    assert values is not None
    block = options.block
    if block is None:
        block = _widest(_coded(base, info)) if values is as_it_is and len(info.shape) == 2 else DENSE_BLOCK
    return PackedForm(SparseFormat(options.pattern, values, block), info.type if values is as_it_is else None)


def _widest(matrix: CodedMatrix) -> int:
    """The largest block whose weights share a scale everywhere."""
    return max(block for block in BLOCK_SIZES if regrouped(matrix, block) is not None)


def _matrix(base: GGUFFile, name: str, form: SparseFormat, options: SparseOptions) -> CodedMatrix:
    info = base.tensor(name)
    if VALUES_OF.get(info.type) is form.values and (same := regrouped(_coded(base, info), form.block)) is not None:
        return same
    return quantise_blocks(read_tensor(base, name), form, options.importance.get(name))
