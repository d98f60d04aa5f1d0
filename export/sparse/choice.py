"""Which matrices of a plain GGUF are packed, and how."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from gguf.constants import GGML_QUANT_SIZES

from export.block_scales import quantise_blocks
from export.sparse.dense import Q4_0, Q8_0, VALUES_OF, coded, regrouped
from export.sparse.errors import SparseFileError
from export.sparse.layout import BLOCK_SIZES, DENSE_BLOCK, UNSTRUCTURED, Pattern, SparseFormat, SparseLayout, ValueType
from export.sparse.packing import CodedMatrix
from export.sparse.writer import PackedForm
from export.zero_types import HOLD_ZERO, refuse_without_zero
from prune.gguf_file import GGUFFile, TensorInfo
from prune.weights import read_rows, read_tensor

_FLOATS_AT_ONCE = 1 << 22


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


def chosen_forms(base: GGUFFile, options: SparseOptions, names: Collection[str]) -> dict[str, PackedForm]:
    """The forms of the matrices of these names.

    Raises:
        CheckpointError: there is none of such a name, or one cannot be packed as asked for.
        UsageError: one is of a type that cannot hold zeros.
    """
    forms = {}
    for name in names:
        info = base.tensor(name)
        refuse_without_zero(info.type, name)
        if len(info.shape) != 2:
            raise SparseFileError(f"{base.path}: tensor {name!r} is not a matrix; leave it as it is.")
        if options.values is None and info.type not in VALUES_OF:
            raise SparseFileError(
                f"{base.path}: tensor {name!r} is {info.type.name}, which cannot be packed as it is; say whether its "
                "values are to be int8 or int4."
            )
        forms[name] = _form(info, options, _as_it_is(base, info))
    return forms


def forms_that_pay(base: GGUFFile, options: SparseOptions) -> dict[str, PackedForm]:
    """The forms of all matrices that take fewer bytes packed than as Q8_0 or Q4_0, for 8-bit and 4-bit values.

    Only Q8_0 and Q4_0 matrices are looked at, unless the options have a value type: then all that can hold zeros.

    Raises:
        CheckpointError: the file cannot be read.
    """
    kinds = VALUES_OF.keys() if options.values is None else HOLD_ZERO
    forms = {}
    for info in base.tensors.values():
        if len(info.shape) == 2 and info.type in kinds:
            matrix = _as_it_is(base, info)
            kept = _count_kept(base, info) if matrix is None else int(np.count_nonzero(matrix.codes))
            form = _form(info, options, matrix)
            if _pays(info, form.format, kept):
                forms[info.name] = form
    return forms


def matrix_to_pack(base: GGUFFile, name: str, form: SparseFormat, options: SparseOptions) -> CodedMatrix:
    """A matrix in the blocks and values of its form: as it is where they are its own, otherwise quantised anew."""
    info = base.tensor(name)
    if VALUES_OF.get(info.type) is form.values and (matrix := _as_it_is(base, info)) is not None:
        same = regrouped(matrix, form.block)
        if same is not None:
            return same
    return quantise_blocks(read_tensor(base, name), form, options.importance.get(name))


def _as_it_is(base: GGUFFile, info: TensorInfo) -> CodedMatrix | None:
    """A matrix whose type is one of codes and scales."""
    if info.type not in VALUES_OF:
        return None
    rows, columns = info.shape
    return coded(base.read(info), (rows, columns), info.type)


def _count_kept(base: GGUFFile, info: TensorInfo) -> int:
    """The weights that are not zero; as floats, an embedding takes more memory than any matrix that is pruned."""
    rows, columns = info.shape
    step = max(1, _FLOATS_AT_ONCE // columns)
    parts = (np.arange(start, min(start + step, rows)) for start in range(0, rows, step))
    return sum(int(np.count_nonzero(read_rows(base, info.name, part))) for part in parts)


def _form(info: TensorInfo, options: SparseOptions, matrix: CodedMatrix | None) -> PackedForm:
    own = VALUES_OF.get(info.type)
    values = options.values or own
    assert values is not None
    if matrix is None or values is not own:
        return PackedForm(SparseFormat(options.pattern, values, options.block or DENSE_BLOCK))
    block = options.block or max(block for block in BLOCK_SIZES if regrouped(matrix, block) is not None)
    return PackedForm(SparseFormat(options.pattern, values, block), info.type)


def _pays(info: TensorInfo, form: SparseFormat, kept: int) -> bool:
    rows, columns = info.shape
    pattern = form.pattern
    if pattern.group and (columns % pattern.group or kept * pattern.group > rows * columns * pattern.kept):
        return False
    packed = SparseLayout(rows, columns, form, -(-kept // rows)).least_size
    block, block_bytes = GGML_QUANT_SIZES[Q8_0 if form.values is ValueType.INT8 else Q4_0]
    return bool(packed * block < rows * columns * block_bytes)
