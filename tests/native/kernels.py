"""The kernel library driven from Python, on memory aligned as it wants it."""

import ctypes
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from gguf.constants import GGMLQuantizationType

from assistant.engine.sparse_backend import LIBRARY
from export.sparse.dense import dense_bytes
from export.sparse.packing import CodedMatrix

BLOCK = 32
Array = npt.NDArray[np.uint8]
PANEL = 16
_SIZES = ("sned_pack_bound", "sned_pack_dense", "sned_pack_file", "sned_column_bytes", "sned_scratch_bytes")


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
class Dense:
    """A matrix of Q8_0 or Q4_0: its bytes, and what they mean."""

    bits: int
    data: Array
    weights: npt.NDArray[np.float64]

    @classmethod
    def of(cls, bits: int, codes: npt.NDArray[np.int8], scales: npt.NDArray[np.float16]) -> "Dense":
        """From codes of shape (rows, columns), for 4 bits from -8 to 7, and a scale for each 32."""
        kind = GGMLQuantizationType.Q8_0 if bits == 8 else GGMLQuantizationType.Q4_0
        data = dense_bytes(CodedMatrix(codes, np.ascontiguousarray(scales).view(np.uint16), BLOCK), kind)
        weights = codes * np.repeat(scales.astype(np.float64), BLOCK, axis=1)
        return cls(bits, data, weights)

    @property
    def kind(self) -> GGMLQuantizationType:
        """ggml's type."""
        return GGMLQuantizationType.Q8_0 if self.bits == 8 else GGMLQuantizationType.Q4_0

    @classmethod
    def random(cls, bits: int, shape: tuple[int, int], zeros: float, seed: int = 0) -> "Dense":
        """Of any weights, so many of which are zeros, and of scales of either sign, that 1, 2 or 4 blocks share."""
        random = np.random.default_rng(seed)
        most = 1 << bits - 1
        codes = random.integers(-most, most, shape, dtype=np.int8)
        codes[random.random(shape, dtype=np.float32) < zeros] = 0
        return cls.of(bits, codes, _scales(random, shape, seed))

    @classmethod
    def random_group(cls, bits: int, shape: tuple[int, int], zeros: float, seed: int = 0) -> "Dense":
        """As `random`, with at most four weights in each eight, a layout of its own being for those that have many."""
        random = np.random.default_rng(seed)
        most = 1 << bits - 1
        codes = random.integers(-most, most, (shape[0], shape[1] // 8, 8), dtype=np.int8)
        codes[random.random(codes.shape, dtype=np.float32).argsort(axis=2).argsort(axis=2) >= 4] = 0
        codes[random.random(codes.shape, dtype=np.float32) < zeros] = 0
        return cls.of(bits, codes.reshape(shape), _scales(random, shape, seed))


def _scales(random: np.random.Generator, shape: tuple[int, int], seed: int) -> npt.NDArray[np.float16]:
    scales = random.standard_normal((shape[0], shape[1] // BLOCK)) / 100
    shared = (1, 2, 4)[seed % 3]
    return scales[:, np.arange(scales.shape[1]) // shared * shared].astype(np.float16)


def pack(library: ctypes.CDLL, matrix: Dense, kernel: int | None = None) -> Array:
    """The matrix packed for a kernel, the best one as a rule; what it may not reach is checked."""
    bits, *shape = numbers(matrix.bits, *matrix.weights.shape)
    out = aligned(library.sned_pack_bound(bits, *shape))
    best = library.sned_best_kernel() if kernel is None else kernel
    used = library.sned_pack_dense(best, bits, pointer(matrix.data), *shape, pointer(out))
    assert used <= len(out)
    return out[:used]


def columns_of(library: ctypes.CDLL, inputs: npt.NDArray[np.float32]) -> Array:
    """Inputs of shape (columns, width) quantised."""
    count, width = inputs.shape
    apart = library.sned_column_bytes(*numbers(width))
    columns = aligned(apart * count)
    for index, each in enumerate(inputs):
        library.sned_quantise(*numbers(width), pointer(each), pointer(columns, index * apart))
    return columns


def multiply(
    library: ctypes.CDLL, kernel: int, packed: Array, inputs: npt.NDArray[np.float32], rows: int
) -> npt.NDArray[np.float32]:
    """The product, of shape (columns of inputs, rows), as `kernel` computes it."""
    count, width = inputs.shape
    columns, scratch = columns_of(library, inputs), aligned(library.sned_scratch_bytes(*numbers(width)))
    out = np.full((count, rows), np.nan, dtype=np.float32)
    middle = rows // 3 // PANEL * PANEL  # in two parts, as threads do
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
