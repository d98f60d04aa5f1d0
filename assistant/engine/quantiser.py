"""llama.cpp's quantiser, for some rows at a time.

`llama_model_quantize` rounds a whole file; the function that it calls for each tensor can be called for those that are
wanted, with an importance matrix or without.
"""

import ctypes
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from assistant.engine.native import llama_cpp
from assistant.errors import UsageError

_K = GGMLQuantizationType
_ROUNDED_TO = frozenset(
    {
        *(_K.F32, _K.F16, _K.BF16),
        *(_K.Q8_0, _K.Q5_0, _K.Q5_1, _K.Q4_0, _K.Q4_1, _K.Q6_K, _K.Q5_K, _K.Q4_K, _K.Q3_K, _K.Q2_K),
        *(_K.IQ4_NL, _K.IQ4_XS, _K.IQ3_S, _K.IQ3_XXS, _K.IQ2_S, _K.IQ2_XS, _K.IQ2_XXS),
    }
)
_LEAST_IMPORTANCE = 1e-4


def quantise_rows(
    values: npt.NDArray[np.float32],
    kind: GGMLQuantizationType,
    importance: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.uint8]:
    """Rows of a matrix as llama.cpp quantises them.

    Args:
        values: shape (rows, columns), all finite.
        kind: such as Q8_0 or Q5_0.
        importance: what a squared error in each column counts, shape (columns,): an importance matrix's row, the mean
            squared activation of each input. Q8_0 does not look at it.

    Returns:
        Bytes of shape (rows, bytes of a row).

    Raises:
        UsageError: the type does not take rows of that length, needs an importance, or is none that llama.cpp rounds
            to; or values or importance are not finite numbers.
    """
    rows, columns = values.shape
    block, block_bytes = GGML_QUANT_SIZES[kind]
    if columns % block:
        raise UsageError(f"Rows of {columns} weights cannot be {kind.name}, which takes them by {block}.")
    # What is refused here would end the process there.
    if not np.isfinite(values).all():
        raise UsageError("The matrix has values that are not finite; choose another base model.")
    if importance is not None and (
        importance.shape != (columns,) or not np.isfinite(importance).all() or (importance < 0).any()
    ):
        raise UsageError(f"The importance of {columns} inputs is {columns} finite numbers, none negative.")
    if kind not in _ROUNDED_TO:
        raise UsageError(f"llama.cpp does not round to {kind.name}; choose another type, such as Q8_0 or Q5_0.")
    library = _library()
    weights = None if importance is None or not importance.any() else _none_zero(importance)
    if weights is None and library.ggml_quantize_requires_imatrix(kind.value):
        raise UsageError(f"{kind.name} cannot be rounded to without the importance of inputs; choose another type.")
    source = np.ascontiguousarray(values, dtype=np.float32)
    stored = np.empty((rows, columns // block * block_bytes), dtype=np.uint8)
    places = source.ctypes.data, stored.ctypes.data
    written = library.ggml_quantize_chunk(
        kind.value, *places, 0, rows, columns, None if weights is None else weights.ctypes.data
    )
    assert written == stored.nbytes
    return stored


def _none_zero(importance: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """An input that was never active during calibration still counts a little; some types assert that it does."""
    least = np.float32(_LEAST_IMPORTANCE) * importance.mean(dtype=np.float32)
    return np.ascontiguousarray(np.maximum(importance, least), dtype=np.float32)


@cache
def _library() -> Any:
    """ggml, which llama.cpp's library brings."""
    library = ctypes.CDLL(llama_cpp.llama_cpp._lib._name)
    library.ggml_quantize_requires_imatrix.restype = ctypes.c_bool
    library.ggml_quantize_requires_imatrix.argtypes = (ctypes.c_int,)
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_quantize_chunk.argtypes = (
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_void_p,
    )
    return library
