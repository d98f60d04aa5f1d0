"""Surviving values as bytes: one each, or two to a byte."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from export.sparse.layout import SparseLayout, ValueType
from export.sparse.masks import Counts, Places
from export.sparse.nibbles import (
    NIBBLE_ZERO,
    join_halves,
    join_neighbours,
    nibbles_of,
    split_halves,
    split_neighbours,
)

Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Kept:
    """Which weights of some rows are stored.

    Attributes:
        at: their places in the rows laid end to end, ascending.
        counts: how many each row has.
    """

    at: Places
    counts: Counts


def encode_values(codes: Codes, kept: Kept, layout: SparseLayout) -> Bytes:
    """The value bytes of all rows, one row's after the other's, without the rows' padding.

    Args:
        codes: shape (rows, columns).
        kept: what to store, as many in each row as the layout says.
        layout: of the matrix.
    """
    values = codes.ravel().take(kept.at)  # several times as fast as a mask as index
    if layout.format.values is ValueType.INT8:
        return values.view(np.uint8)
    nibbles = nibbles_of(values)
    if layout.format.pattern.group:
        size = 2 * layout.value_bytes(_equal_count(layout))
        return join_halves(_in_rows(nibbles, len(codes), size))
    odd = kept.counts % 2
    if odd.any():
        padded = np.full(len(nibbles) + int(odd.sum()), NIBBLE_ZERO, dtype=np.uint8)
        padded[_places(kept, odd)] = nibbles
        nibbles = padded
    return join_neighbours(nibbles)


def decode_values(stored: Bytes, kept: Kept, layout: SparseLayout) -> Codes:
    """The codes, shape (rows, columns), that `encode_values` gave these bytes for; 0 where nothing is kept."""
    rows = len(kept.counts)
    if layout.format.values is ValueType.INT8:
        values = stored.view(np.int8)
    elif layout.format.pattern.group:
        values = split_halves(stored).reshape(rows, -1)[:, : _equal_count(layout)].ravel()
    else:
        odd = kept.counts % 2
        values = split_neighbours(stored)
        if odd.any():
            values = values[_places(kept, odd)]
    codes = np.zeros(rows * layout.columns, dtype=np.int8)
    codes[kept.at] = values
    return codes.reshape(rows, -1)


def _equal_count(layout: SparseLayout) -> int:
    assert layout.kept is not None, "rows of N:M have equal lengths"
    return layout.kept


def _in_rows(nibbles: Bytes, rows: int, size: int) -> Bytes:
    """Rows of equal length, each padded to `size`."""
    lines = nibbles.reshape(rows, -1)
    if lines.shape[1] == size:
        return nibbles
    padded = np.full((rows, size), NIBBLE_ZERO, dtype=np.uint8)
    padded[:, : lines.shape[1]] = lines
    return padded.ravel()


def _places(kept: Kept, odd: Counts) -> Counts:
    """Where values are once each odd row is followed by one more."""
    before = np.cumsum(odd) - odd
    return np.arange(len(kept.at)) + np.repeat(before, kept.counts)
