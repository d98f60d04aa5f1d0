"""The kernel library driven from Python, on memory aligned as it wants it."""

import ctypes
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assistant.engine.sparse_backend import LIBRARY

BLOCK = 32
Array = npt.NDArray[np.uint8]
_SIZES = ("sned_pack_bound", "sned_pack_q8_0", "sned_pack_file", "sned_column_bytes", "sned_scratch_bytes")


def load() -> ctypes.CDLL:
    """The library that `native/build.py` makes for this."""
    library = ctypes.CDLL(str(LIBRARY.with_name("libsned_kernels.so")))
    for name in _SIZES:
        getattr(library, name).restype = ctypes.c_size_t
    return library


def aligned(size: int) -> Array:
    """So many zero bytes, from a multiple of 64 on, and bytes behind them that nobody may change."""
    whole = np.zeros(size + 128, dtype=np.uint8)
    start = -whole.ctypes.data % 64
    return whole[start : start + size]


def pointer(array: npt.NDArray, offset: int = 0) -> ctypes.c_void_p:
    """Where an array's bytes are."""
    return ctypes.c_void_p(array.ctypes.data + offset)


def numbers(*values: int) -> list[ctypes.c_int64]:
    """As the library takes them."""
    return [ctypes.c_int64(value) for value in values]


@dataclass(frozen=True)
class Q8:
    """A matrix of Q8_0: its bytes, and what they mean."""

    data: Array
    weights: npt.NDArray[np.float64]

    @classmethod
    def of(cls, codes: npt.NDArray[np.int8], scales: npt.NDArray[np.float16]) -> "Q8":
        """From codes of shape (rows, columns), and a scale for each 32."""
        rows, columns = codes.shape
        blocks = codes.reshape(rows, columns // BLOCK, BLOCK)
        data = np.concatenate([scales[..., None].view(np.uint8), blocks.view(np.uint8)], axis=2)
        weights = (blocks * scales[..., None].astype(np.float64)).reshape(rows, columns)
        return cls(np.ascontiguousarray(data), weights)


def pack(library: ctypes.CDLL, matrix: Q8) -> Array:
    """The packed matrix; what it may not reach is checked."""
    shape = numbers(*matrix.weights.shape)
    out = aligned(library.sned_pack_bound(*shape))
    used = library.sned_pack_q8_0(pointer(matrix.data), *shape, pointer(out))
    assert used <= len(out)
    return out[:used]


def multiply(
    library: ctypes.CDLL, kernel: int, packed: Array, inputs: npt.NDArray[np.float32], rows: int
) -> npt.NDArray:
    """The product, of shape (columns of inputs, rows), as `kernel` computes it."""
    count, width = inputs.shape
    apart = library.sned_column_bytes(*numbers(width))
    columns, scratch = aligned(apart * count), aligned(library.sned_scratch_bytes(*numbers(width)))
    for index, each in enumerate(inputs):
        library.sned_quantise(*numbers(width), pointer(each), pointer(columns, index * apart))
    out = np.full((count, rows), np.nan, dtype=np.float32)
    middle = rows // 3  # in two parts, as threads do
    for first, last in ((0, middle), (middle, rows)):
        library.sned_multiply(
            kernel,
            pointer(packed),
            pointer(columns),
            *numbers(count, first, last),
            pointer(out),
            *numbers(rows),
            pointer(scratch),
        )
    return out


def quantised(inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """What ggml's Q8_0 makes of activations: 32 share a scale in half precision."""
    count, width = inputs.shape
    padded = np.zeros((count, -(-width // BLOCK) * BLOCK), dtype=np.float32)
    padded[:, :width] = inputs
    blocks = padded.reshape(count, -1, BLOCK)
    largest = np.abs(blocks).max(axis=2, keepdims=True)
    scales = (largest / np.float32(127)).astype(np.float16).astype(np.float64)
    inverse = np.divide(np.float32(127), largest, out=np.zeros_like(largest), where=scales > 0)
    return (np.rint(blocks * inverse).astype(np.float64) * scales).reshape(count, -1)[:, :width]
