"""Rows in a packed matrix: at equal distances, or where a table says.

Each row is its head (scales, then mask), its values, and zeros up to a multiple of 8 bytes.
"""

from collections.abc import Iterator

import numpy as np

from export.sparse.layout import ROW_ALIGNMENT, SLACK, SparseLayout, aligned
from export.sparse.masks import Counts
from export.sparse.values import Bytes

_WEIGHTS_AT_ONCE = 1 << 19
_FREED_AT_ONCE = 16 << 20
_MOST_UNITS = (1 << 32) - 1


class RowWriter:
    """Puts rows into a packed matrix, some at a time, from the first on."""

    def __init__(self, layout: SparseLayout) -> None:
        """Nothing is written yet."""
        self._layout = layout
        self._pieces: list[bytes] = []
        self._row = 0
        self._equal = np.zeros(layout.least_size if layout.kept is not None else 0, dtype=np.uint8)

    def add(self, heads: Bytes, values: Bytes, counts: Counts) -> None:
        """The next rows: heads of shape (rows, head bytes), all value bytes, and how many values each row has."""
        layout, head = self._layout, self._layout.head_bytes
        if layout.kept is not None:
            stride, size = layout.row_bytes(layout.kept), layout.value_bytes(layout.kept)
            rows = self._equal[self._row * stride : (self._row + len(heads)) * stride].reshape(-1, stride)
            rows[:, :head] = heads
            rows[:, head : head + size] = values.reshape(len(heads), size)
            self._row += len(heads)
            return
        raw_heads, raw_values = heads.tobytes(), values.tobytes()
        position = 0
        for row, count in enumerate(counts.tolist()):
            size = layout.value_bytes(count)
            piece = raw_heads[row * head : (row + 1) * head] + raw_values[position : position + size]
            self._pieces.append(piece.ljust(aligned(len(piece)), b"\0"))
            position += size

    def finish(self) -> Bytes:
        """The packed matrix.

        Raises:
            ValueError: its rows are too long for a table of them.
        """
        if self._layout.kept is not None:
            return self._equal
        ends = np.cumsum([len(piece) // ROW_ALIGNMENT for piece in self._pieces])
        if ends[-1] > _MOST_UNITS:
            raise ValueError("its rows take more bytes than a table of rows can say")
        table = np.zeros(self._layout.table_bytes // 4, dtype="<u4")
        table[1 : len(ends) + 1] = ends
        return np.frombuffer(b"".join([table.tobytes(), *self._pieces, bytes(SLACK)]), dtype=np.uint8)


class RowReader:
    """Takes rows out of a packed matrix, after checking that they lie in it."""

    def __init__(self, layout: SparseLayout, data: Bytes) -> None:
        """Takes the bytes, and checks what says where rows are.

        Raises:
            ValueError: the matrix takes another number of bytes, or its table is wrong.
        """
        layout.check_size(data.size)
        self._layout = layout
        self._data = data
        self._starts = _starts(layout, data) if layout.kept is None else None

    def heads(self, part: slice) -> Bytes:
        """The heads of some rows, shape (rows, head bytes)."""
        layout = self._layout
        if self._starts is None:
            return self._rows(part)[:, : layout.head_bytes]
        pieces = [self._data[start : start + layout.head_bytes].data for start in self._starts[part].tolist()]
        return np.frombuffer(b"".join(pieces), dtype=np.uint8).reshape(-1, layout.head_bytes)

    def values(self, part: slice, counts: Counts) -> Bytes:
        """The value bytes of some rows, given how many values each row's mask says it has.

        Raises:
            ValueError: a row does not have that many.
        """
        layout, head = self._layout, self._layout.head_bytes
        if layout.kept is not None:
            if (counts != layout.kept).any():
                raise ValueError(f"its mask has a row that does not hold {layout.kept} survivors")
            return self._rows(part)[:, head : head + layout.value_bytes(layout.kept)].ravel()
        assert self._starts is not None
        starts = self._starts[part.start : part.stop + 1].tolist()
        sizes = [layout.value_bytes(count) for count in counts.tolist()]
        pieces = []
        for start, end, size in zip(starts, starts[1:], sizes, strict=False):
            if aligned(head + size) != end - start:
                raise ValueError("its mask has a row whose survivors do not take the bytes that its table says")
            pieces.append(self._data[start + head : start + head + size].data)
        return np.frombuffer(b"".join(pieces), dtype=np.uint8)

    def _rows(self, part: slice) -> Bytes:
        assert self._layout.kept is not None
        stride = self._layout.row_bytes(self._layout.kept)
        return self._data[part.start * stride : part.stop * stride].reshape(-1, stride)


def row_parts(rows: int, columns: int) -> Iterator[slice]:
    """Ranges of rows small enough that what is made of them stays in a processor's cache."""
    _keep_freed_memory()
    step = max(1, _WEIGHTS_AT_ONCE // columns)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _keep_freed_memory() -> None:
    """Has the C library keep what one part freed for the next.

    glibc gives the top of its heap back to the system from 128 KiB on, until it has once freed a larger piece
    (mallopt(3), M_MMAP_THRESHOLD). Every page is then a fault in the next part: that takes longer than the work itself.
    """
    np.empty(_FREED_AT_ONCE, dtype=np.uint8)


def _starts(layout: SparseLayout, data: Bytes) -> Counts:
    """First byte of every row, and of what follows the last."""
    table = data[: layout.table_bytes].view("<u4")[: layout.rows + 1].astype(np.int64)
    starts = table * ROW_ALIGNMENT + layout.table_bytes
    if table[0] or (np.diff(starts) < layout.row_bytes(0)).any() or starts[-1] != data.size - SLACK:
        raise ValueError("its table of rows does not fit its bytes")
    return starts
