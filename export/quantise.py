"""Quantisation of pruned matrices: zeros stay exactly zero.

Only types without an offset can hold a zero: a Q4_K or Q2_K block stores `scale * code - minimum`, which makes a pruned
matrix dense again.
"""

import numpy as np
import numpy.typing as npt
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

Q8_0 = GGMLQuantizationType.Q8_0
BLOCK = GGML_QUANT_SIZES[Q8_0][0]


def quantise_q8_0(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """A matrix as ggml's Q8_0: for each 32 values a half-precision scale, and 8-bit codes.

    As llama.cpp rounds them, with one difference: a value that is not zero never gets the code 0, so that the zeros of
    the file are the pruned weights and no others.

    Args:
        values: shape (rows, columns), columns a multiple of 32.

    Returns:
        Bytes of shape (rows, columns / 32 x 34).

    Raises:
        ValueError: the columns are not a multiple of 32.
    """
    rows, columns = values.shape
    if columns % BLOCK:
        raise ValueError(f"rows of {columns} values cannot be stored as Q8_0, which takes them by {BLOCK}")
    blocks = values.reshape(-1, BLOCK)
    scales = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    inverse = np.divide(np.float32(1), scales, out=np.zeros_like(scales), where=scales > 0)
    scaled = blocks * inverse
    codes = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
    lost = (codes == 0) & (blocks != 0)
    codes[lost] = np.sign(blocks[lost])
    stored = np.concatenate([scales.astype("<f2").view(np.uint8), codes.astype(np.int8).view(np.uint8)], axis=1)
    return stored.reshape(rows, -1)
