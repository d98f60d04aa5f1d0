"""Matrices as plain GGUF stores them: Q8_0 and Q4_0 to codes and scales, and back."""

import numpy as np
import numpy.typing as npt
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from export.sparse.layout import DENSE_BLOCK, ValueType
from export.sparse.nibbles import NIBBLE_ZERO, join_halves, nibbles_of, split_halves
from export.sparse.packing import CodedMatrix
from export.sparse.values import Bytes

Q8_0, Q4_0 = GGMLQuantizationType.Q8_0, GGMLQuantizationType.Q4_0
F32, F16 = GGMLQuantizationType.F32, GGMLQuantizationType.F16
VALUES_OF = {Q8_0: ValueType.INT8, Q4_0: ValueType.INT4}


def coded(stored: Bytes, shape: tuple[int, int], dense_type: GGMLQuantizationType) -> CodedMatrix:
    """What a Q8_0 or Q4_0 matrix holds, with its own blocks of 32: nothing is rounded.

    Args:
        stored: the matrix's bytes.
        shape: (rows, columns), columns a multiple of 32.
        dense_type: Q8_0 or Q4_0.
    """
    blocks = np.ascontiguousarray(stored).reshape(-1).view(_block(dense_type))
    scales = blocks["scale"].astype(np.uint16).reshape(shape[0], -1)
    payload = np.ascontiguousarray(blocks["payload"]).view(np.uint8)
    codes = payload.view(np.int8) if dense_type is Q8_0 else split_halves(payload)
    return CodedMatrix(codes.reshape(shape), scales, DENSE_BLOCK)


def regrouped(matrix: CodedMatrix, block: int) -> CodedMatrix | None:
    """The same weights in larger blocks, or None if the scales differ within one."""
    first = np.ascontiguousarray(matrix.scales[:, :: block // matrix.block])
    if (_repeated(first, block, matrix.block, matrix.codes.shape[1]) != matrix.scales).any():
        return None
    return CodedMatrix(matrix.codes, first, block, matrix.mask)


def dense_bytes(matrix: CodedMatrix, dense_type: GGMLQuantizationType) -> Bytes:
    """The matrix as plain GGUF stores it, shape (rows, bytes of a row).

    Q8_0, Q4_0 and F32 hold the very same values, F16 those nearest to them.

    Raises:
        ValueError: the type cannot hold the matrix.
    """
    rows, columns = matrix.codes.shape
    stored = np.empty((rows, dense_row_bytes(dense_type, columns)), dtype=np.uint8)
    write_dense(matrix, dense_type, stored)
    return stored


def write_dense(matrix: CodedMatrix, dense_type: GGMLQuantizationType, out: Bytes) -> None:
    """Writes what `dense_bytes` gives into an array of that shape, whose rows follow each other in memory.

    Raises:
        ValueError: the type cannot hold the matrix.
    """
    columns = matrix.codes.shape[1]
    if dense_type in (F32, F16):
        np.copyto(out.view("<f4" if dense_type is F32 else "<f2"), matrix.values(), casting="same_kind")
        return
    fits = dense_type is not Q4_0 or (matrix.codes.min() >= -NIBBLE_ZERO and matrix.codes.max() < NIBBLE_ZERO)
    refuse_dense_type(dense_type, ValueType.INT4 if fits else ValueType.INT8, columns)
    codes = matrix.codes.reshape(-1)
    payload = codes.view(np.uint8) if dense_type is Q8_0 else join_halves(nibbles_of(codes))
    blocks = out.reshape(-1).view(_block(dense_type))
    blocks["scale"] = _repeated(matrix.scales, matrix.block, DENSE_BLOCK, columns).ravel()
    blocks["payload"] = payload.view(blocks.dtype["payload"])


def dense_row_bytes(dense_type: GGMLQuantizationType, columns: int) -> int:
    """Bytes of a row of a matrix as plain GGUF stores it.

    Raises:
        ValueError: the type takes its columns by more than one, and they are no multiple.
    """
    refuse_dense_type(dense_type, ValueType.INT4, columns)
    block, block_bytes = GGML_QUANT_SIZES[dense_type]
    return int(columns // block * block_bytes)


def refuse_dense_type(dense_type: GGMLQuantizationType, values: ValueType, columns: int) -> None:
    """Refuses a plain type that cannot hold a packed matrix.

    Raises:
        ValueError: the message says why.
    """
    if dense_type in (F32, F16):
        return
    if dense_type not in VALUES_OF:
        raise ValueError(f"it cannot be given as {dense_type.name}; choose Q8_0, Q4_0, F16 or F32")
    if columns % DENSE_BLOCK:
        raise ValueError(f"its rows of {columns} weights cannot be {dense_type.name}; choose F32")
    if dense_type is Q4_0 and values is ValueType.INT8:
        raise ValueError("its 8-bit values cannot be Q4_0; choose Q8_0 or F32")


def exact_dense_type(values: ValueType, columns: int) -> GGMLQuantizationType:
    """The smallest plain type that holds the same values."""
    if columns % DENSE_BLOCK:
        return F32
    return Q8_0 if values is ValueType.INT8 else Q4_0


def _block(dense_type: GGMLQuantizationType) -> np.dtype[np.void]:
    """A block's scale, and its codes as one item: numpy copies 32 bytes as one in half the time of 32."""
    payload = GGML_QUANT_SIZES[dense_type][1] - 2
    return np.dtype([("scale", "<u2"), ("payload", f"V{payload}")])


def _repeated(scales: npt.NDArray[np.uint16], block: int, into: int, columns: int) -> npt.NDArray[np.uint16]:
    """The scales of blocks of `block` weights as those of blocks of `into`."""
    if block == into:
        return scales
    return np.repeat(scales, block // into, axis=1)[:, : -(-columns // into)]
