"""Quantisation of pruned matrices with scales that minimise the error of the weights that survived.

For each block a range of scales is tried: weights are rounded with each, and the least-squares scale for these codes is
kept where it does best. Errors are weighted with what the activations of each input are worth, if that is given.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from export.sparse.layout import SparseFormat, ValueType
from export.sparse.packing import CodedMatrix
from export.sparse.rows import row_parts
from prune.errors import UsageError

Floats = npt.NDArray[np.float32]

_LEAST_IMPORTANCE = 1e-4
_LEAST_NUMBER = 1e-9


@dataclass(frozen=True, slots=True)
class _Codes:
    """The codes of a value type, and which of them the weight of greatest magnitude is tried at.

    4-bit blocks gain by cutting outliers off, that is by codes beyond the greatest; 8-bit ones do not.
    """

    least: int
    greatest: int
    tried: tuple[float, ...]


_CODES = {
    ValueType.INT8: _Codes(-127, 127, (-127.0, -126.6, -126.2, -125.4, -124.5, -123.0)),
    ValueType.INT4: _Codes(-8, 7, tuple(-6.0 - step / 4 for step in range(17))),
}


def quantise_blocks(
    values: Floats, form: SparseFormat, importance: npt.NDArray[np.floating] | None = None
) -> CodedMatrix:
    """A pruned matrix as codes and half-precision scales; what was zero is exactly zero.

    Args:
        values: shape (rows, columns), zeros where pruned.
        form: the value type and block size; the pattern is not looked at.
        importance: what a squared error in each column counts, shape (columns,): the mean squared activation of that
            input. All columns count the same without it.

    Returns:
        The matrix; its mask holds the weights that are not zero, those that got the code 0 included.

    Raises:
        UsageError: values or importance are not finite, too large for a scale, or of other shapes.
    """
    rows, columns = values.shape
    weights = _importance(importance, columns)
    if not np.isfinite(values).all():
        raise UsageError("The matrix has values that are not finite; choose another base model.")
    blocks = -(-columns // form.block)
    padding = blocks * form.block - columns
    weights = np.pad(weights, (0, padding)).reshape(blocks, form.block)
    codes = np.empty((rows, columns), dtype=np.int8)
    scales = np.empty((rows, blocks), dtype=np.uint16)
    for part in row_parts(rows, columns):
        some = np.pad(values[part], ((0, 0), (0, padding))).reshape(-1, blocks, form.block)
        best = _best_scales(some, weights, _CODES[form.values])
        scales[part] = best.astype(np.float16).view(np.uint16)
        rounded = _rounded(some, _inverse(best), _CODES[form.values])
        codes[part] = rounded.reshape(len(some), -1)[:, :columns]
    return CodedMatrix(codes, scales, form.block, values != 0)


def _importance(importance: npt.NDArray[np.floating] | None, columns: int) -> Floats:
    if importance is None:
        return np.ones(columns, dtype=np.float32)
    if importance.shape != (columns,) or not np.isfinite(importance).all() or (importance < 0).any():
        raise UsageError(f"The importance of {columns} inputs is {columns} finite numbers, none negative.")
    mean = float(importance.mean())
    if not mean:
        return np.ones(columns, dtype=np.float32)
    # An input that was never active during calibration still counts a little.
    weights: Floats = np.maximum(importance / mean, _LEAST_IMPORTANCE).astype(np.float32)
    return weights


def _best_scales(values: Floats, weights: Floats, codes: _Codes) -> Floats:
    """The best scale of each block, as a half-precision float has it, given blocks of shape (rows, blocks, weights)."""
    places = np.abs(values).argmax(axis=2)[:, :, None]
    extreme = np.take_along_axis(values, places, axis=2)[:, :, 0]
    weighted = values * weights
    scales = np.zeros(extreme.shape, dtype=np.float32)
    gains = np.zeros_like(scales)
    for code in codes.tried:
        with np.errstate(over="ignore", invalid="ignore"):
            rounded = _rounded(values, code * _inverse(extreme), codes)
            products = np.einsum("rbw,rbw->rb", rounded, weighted)
            squares = np.einsum("rbw,rbw,bw->rb", rounded, rounded, weights)
            fitted = (products * _inverse(squares)).astype(np.float16).astype(np.float32)
        if not np.isfinite(fitted).all():
            raise UsageError("The matrix has values too large for half-precision scales; choose another base model.")
        # By how much the weighted squared error is less than that of zeros.
        gain = fitted * (2 * products - fitted * squares)
        better = gain > gains
        scales[better], gains[better] = fitted[better], gain[better]
    return scales


def _inverse(numbers: Floats) -> Floats:
    """One over each number, and 0 for those so small that no scale of theirs is a half-precision float."""
    inverse = np.zeros_like(numbers)
    np.divide(np.float32(1), numbers, out=inverse, where=np.abs(numbers) > _LEAST_NUMBER)
    return inverse


def _rounded(values: Floats, inverse: Floats, codes: _Codes) -> Floats:
    rounded = values * inverse[:, :, None]
    np.rint(rounded, out=rounded)
    np.clip(rounded, codes.least, codes.greatest, out=rounded)
    return rounded
