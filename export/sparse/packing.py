"""From codes, scales and a mask to the bytes of a packed matrix, and back."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from export.sparse.layout import SparseFormat, SparseLayout, ValueType
from export.sparse.masks import (
    Counts,
    Mask,
    bits_to_mask,
    bits_to_places,
    filled,
    filled_groups,
    mask_to_bits,
    row_counts,
)
from export.sparse.rows import RowReader, RowWriter, row_parts
from export.sparse.values import Bytes, Codes, Kept, decode_values, encode_values

_INFINITE = 0x7C00
_LEAST_CODE, _GREATEST_CODE = -8, 7


@dataclass(frozen=True)
class CodedMatrix:
    """A pruned matrix as integers: the weight at (i, j) is `codes[i, j] * scales[i, j // block]`.

    Attributes:
        codes: shape (rows, columns), 0 where pruned; from -8 to 7 if they are to be stored in 4 bits.
        scales: the bits of half-precision floats, shape (rows, blocks).
        block: weights of a row that share a scale; a row's last block may be short.
        mask: the weights that survived, shape (rows, columns), if known: a survivor may have the code 0.
    """

    codes: Codes
    scales: npt.NDArray[np.uint16]
    block: int
    mask: Mask | None = None

    def values(self) -> npt.NDArray[np.float32]:
        """The weights, shape (rows, columns); exactly `codes` times `scales`."""
        scales = self.scales.view(np.float16).astype(np.float32)
        columns = self.codes.shape[1]
        values = self.codes.astype(np.float32)
        if columns % self.block:
            values *= np.repeat(scales, self.block, axis=1)[:, :columns]
        else:
            blocks = values.reshape(*scales.shape, self.block)
            blocks *= scales[:, :, None]
        return values


@dataclass(frozen=True)
class PackedMatrix:
    """The bytes of a packed matrix, and how they are laid out."""

    layout: SparseLayout
    data: Bytes


def pack(matrix: CodedMatrix, form: SparseFormat) -> PackedMatrix:
    """The matrix packed: equal matrices give equal bytes.

    Raises:
        ValueError: it does not have the pattern, its codes do not fit the value type, its blocks are others, or a
            scale is not finite.
    """
    rows, columns = matrix.codes.shape
    _check(matrix, form)
    counts = None if form.pattern.group else _counts(matrix)
    layout = _layout((rows, columns), form, counts)
    writer = RowWriter(layout)
    for part in row_parts(rows, columns):
        codes, mask = matrix.codes[part], _mask(matrix, part)
        kept_of = np.full(len(codes), layout.kept) if counts is None or layout.kept is not None else counts[part]
        if counts is None:
            mask = filled_groups(mask, form.pattern)
        elif layout.kept is not None:
            mask = filled(mask, counts[part], layout.kept)
        scales = matrix.scales[part].astype("<u2").view(np.uint8)
        heads = np.concatenate([scales, mask_to_bits(mask, form.pattern)], axis=1)
        kept = Kept(np.flatnonzero(mask), kept_of)
        writer.add(heads, encode_values(codes, kept, layout), kept.counts)
    return PackedMatrix(layout, writer.finish())


class Unpacker:
    """Gives the rows of a packed matrix; for several threads at once.

    Memory is in proportion to the bytes, whatever their layout claims.
    """

    def __init__(self, packed: PackedMatrix) -> None:
        """Takes the bytes, and checks what says where rows are.

        Raises:
            ValueError: the bytes are not those of such a matrix; the message says what is wrong.
        """
        self.layout = packed.layout
        self._reader = RowReader(packed.layout, packed.data)

    def rows(self, part: slice, *, with_mask: bool = False) -> CodedMatrix:
        """Some rows, without or with the mask of every weight that is stored.

        Raises:
            ValueError: their bytes are not those of such a matrix.
        """
        layout = self.layout
        heads = self._reader.heads(part)
        scales = np.ascontiguousarray(heads[:, : layout.scale_bytes]).view("<u2").astype(np.uint16, copy=False)
        _check_scales(scales)
        bits, pattern = heads[:, layout.scale_bytes :], layout.format.pattern
        mask = bits_to_mask(bits, layout.columns, pattern) if with_mask else None
        at = bits_to_places(bits, layout.columns, pattern) if mask is None else np.flatnonzero(mask)
        kept = Kept(at, np.full(len(heads), layout.kept) if pattern.group else row_counts(bits))
        codes = decode_values(self._reader.values(part, kept.counts), kept, layout)
        return CodedMatrix(codes, scales, layout.format.block, mask)


def unpack(packed: PackedMatrix, *, with_mask: bool = False) -> CodedMatrix:
    """The matrix that was packed, without or with the mask of every weight that is stored.

    Raises:
        ValueError: as `Unpacker`.
    """
    layout, unpacker = packed.layout, Unpacker(packed)
    parts = [unpacker.rows(part, with_mask=with_mask) for part in row_parts(layout.rows, layout.columns)]
    return CodedMatrix(
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.scales for part in parts]),
        layout.format.block,
        np.concatenate([part.mask for part in parts if part.mask is not None]) if with_mask else None,
    )


def unpack_mask(packed: PackedMatrix) -> Mask:
    """The mask of a packed matrix alone, shape (rows, columns): values are not read.

    Raises:
        ValueError: the bytes are not those of such a matrix; the message says what is wrong.
    """
    layout, reader = packed.layout, RowReader(packed.layout, packed.data)
    mask = np.empty((layout.rows, layout.columns), dtype=np.bool_)
    for part in row_parts(layout.rows, layout.columns):
        heads = reader.heads(part)
        mask[part] = bits_to_mask(heads[:, layout.scale_bytes :], layout.columns, layout.format.pattern)
    return mask


def _mask(matrix: CodedMatrix, part: slice) -> Mask:
    return matrix.codes[part] != 0 if matrix.mask is None else matrix.mask[part]


def _check(matrix: CodedMatrix, form: SparseFormat) -> None:
    rows, columns = matrix.codes.shape
    if matrix.block != form.block or matrix.scales.shape != (rows, -(-columns // form.block)):
        raise ValueError(f"its scales are not those of blocks of {form.block} weights")
    if form.pattern.group and columns % form.pattern.group:
        raise ValueError(f"its rows of {columns} weights are no whole groups of {form.pattern}")
    _check_scales(matrix.scales)
    least, greatest = int(matrix.codes.min()), int(matrix.codes.max())
    if form.values is ValueType.INT4 and (least < _LEAST_CODE or greatest > _GREATEST_CODE):
        raise ValueError(f"it has codes that 4 bits do not hold ({_LEAST_CODE} to {_GREATEST_CODE})")
    if matrix.mask is not None and ((matrix.codes != 0) & ~matrix.mask).any():
        raise ValueError("it has weights that its mask does not keep")


def _check_scales(scales: npt.NDArray[np.uint16]) -> None:
    if ((scales & _INFINITE) == _INFINITE).any():
        raise ValueError("it has scales that are not finite")


def _counts(matrix: CodedMatrix) -> Counts:
    """How many weights survive in each row; shape (rows,)."""
    parts = row_parts(*matrix.codes.shape)
    return np.concatenate([row_counts(np.packbits(_mask(matrix, part), axis=1)) for part in parts])


def _layout(shape: tuple[int, int], form: SparseFormat, counts: Counts | None) -> SparseLayout:
    """Rows of one length if that takes no more bytes than a table of rows: others are filled up with zeros.

    Args:
        shape: (rows, columns).
        form: how the matrix is packed.
        counts: how many weights survive in each row; None for N:M, which says it.
    """
    rows, columns = shape
    if counts is None:
        return SparseLayout(rows, columns, form, columns // form.pattern.group * form.pattern.kept)
    equal = SparseLayout(rows, columns, form, int(counts.max()))
    table = SparseLayout(rows, columns, form, None)
    numbers, times = np.unique(counts, return_counts=True)
    sizes = sum(table.row_bytes(count) * many for count, many in zip(numbers.tolist(), times.tolist(), strict=True))
    with_table = table.least_size - rows * table.row_bytes(0) + sizes
    return equal if equal.least_size <= with_table else table
