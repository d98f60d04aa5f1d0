"""Where the parts of a packed matrix lie: sizes and offsets, computed from a few numbers."""

import re
from dataclasses import dataclass
from enum import StrEnum

from prune.errors import UsageError

BLOCK_SIZES = (32, 64, 128, 256)
DENSE_BLOCK = 32  # that of Q8_0 and Q4_0
GROUP_SIZES = (4, 8, 16, 32)
ROW_ALIGNMENT = 8
SLACK = 64
NIBBLE_CHUNK = 32

# With so few bits a group, the last one is worth leaving out; see docs/sparse-gguf.md.
_LAST_BIT_IMPLIED = (4, 8)


class ValueType(StrEnum):
    """How a surviving value is stored: as a signed code of so many bits, times its block's scale."""

    INT8 = "int8"
    INT4 = "int4"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which weights may survive: `kept` of every `group` in a row, or any if `group` is 0."""

    kept: int = 0
    group: int = 0

    def __post_init__(self) -> None:
        structured = self.group in GROUP_SIZES and 0 < self.kept < self.group
        if not structured and (self.kept, self.group) != (0, 0):
            raise UsageError(
                f"The pattern {self.kept}:{self.group} cannot be stored; N is less than M, and M one of {GROUP_SIZES}."
            )

    def __str__(self) -> str:
        return f"{self.kept}:{self.group}" if self.group else "unstructured"

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        """The pattern that `unstructured`, or N:M such as `4:8`, names.

        Raises:
            UsageError: it names none that can be stored.
        """
        if text == "unstructured":
            return UNSTRUCTURED
        if not (numbers := re.fullmatch(r"([1-9]\d?):([1-9]\d?)", text, flags=re.ASCII)):
            raise UsageError(f"{text[:40]!r} is no pattern; give 'unstructured', or N:M such as 4:8.")
        return cls(int(numbers[1]), int(numbers[2]))

    @property
    def mask_bits(self) -> int:
        """Bits of mask stored for each group: its last bit follows from the others and N."""
        return self.group - 1 if self.group in _LAST_BIT_IMPLIED else self.group


UNSTRUCTURED = Pattern()


@dataclass(frozen=True, slots=True)
class SparseFormat:
    """How a matrix is packed.

    Attributes:
        pattern: which weights survive.
        values: how each survivor is stored.
        block: weights of the dense row that share a scale.
    """

    pattern: Pattern
    values: ValueType
    block: int

    def __post_init__(self) -> None:
        if self.block not in BLOCK_SIZES:
            raise UsageError(f"Blocks of {self.block} weights cannot be stored; choose one of {BLOCK_SIZES}.")


@dataclass(frozen=True, slots=True)
class SparseLayout:
    """The parts of one packed matrix.

    Attributes:
        rows: outputs.
        columns: inputs.
        format: how it is packed.
        kept: values stored in every row, or None if that differs and a table says where rows begin.
    """

    rows: int
    columns: int
    format: SparseFormat
    kept: int | None

    @property
    def blocks(self) -> int:
        """Blocks, and scales, of a row; the last block may be short."""
        return -(-self.columns // self.format.block)

    @property
    def scale_bytes(self) -> int:
        """Bytes of a row's scales."""
        return 2 * self.blocks

    @property
    def mask_bytes(self) -> int:
        """Bytes of a row's mask."""
        pattern = self.format.pattern
        bits = self.columns // pattern.group * pattern.mask_bits if pattern.group else self.columns
        return -(-bits // 8)

    @property
    def head_bytes(self) -> int:
        """Bytes of a row before its values."""
        return self.scale_bytes + self.mask_bytes

    def value_bytes(self, count: int) -> int:
        """Bytes that so many values of one row take."""
        if self.format.values is ValueType.INT8:
            return count
        if self.format.pattern.group:
            return -(-count // NIBBLE_CHUNK) * (NIBBLE_CHUNK // 2)
        return -(-count // 2)

    def row_bytes(self, count: int) -> int:
        """Bytes of a row with so many values, padding included."""
        return aligned(self.head_bytes + self.value_bytes(count))

    @property
    def table_bytes(self) -> int:
        """Bytes of the table of rows, which comes first; 0 where all rows are of one length."""
        return 0 if self.kept is not None else aligned(4 * (self.rows + 1))

    @property
    def least_size(self) -> int:
        """Bytes of the matrix where rows are of one length; otherwise those it takes at least."""
        return self.table_bytes + self.rows * self.row_bytes(self.kept or 0) + SLACK

    def check_size(self, size: int) -> None:
        """Compares the bytes there are with those it takes.

        Raises:
            ValueError: there are too few, or too many.
        """
        least = self.least_size
        if size < least or (self.kept is not None and size > least):
            raise ValueError(f"it has {size} bytes where a matrix of its shape takes {least}")


def aligned(position: int, alignment: int = ROW_ALIGNMENT) -> int:
    """The next multiple of `alignment` (a row's, if not given) that is not before `position`."""
    return -(-position // alignment) * alignment
