"""Reading weights from a base model as 32-bit floats, a tensor or a few rows at a time."""

from typing import Any

import numpy as np
import numpy.typing as npt
from gguf.quants import dequantize

from prune.architectures import ModelFile
from prune.errors import CheckpointError
from prune.gguf_file import GGUFFile, TensorInfo
from prune.safetensors_file import SafetensorsFile

FloatArray = npt.NDArray[np.float32]


def read_tensor(file: ModelFile, name: str) -> FloatArray:
    """The tensor of this name, of its own shape, whatever type it is stored in.

    Raises:
        CheckpointError: there is none, it cannot be read, or its type cannot be turned into floats.
    """
    if isinstance(file, SafetensorsFile):
        return file.floats(name)
    assert isinstance(file, GGUFFile)
    info = file.tensor(name)
    return _dequantized(file, info, file.read(info)).reshape(info.shape)


def read_rows(file: ModelFile, name: str, rows: npt.NDArray[np.integer[Any]]) -> FloatArray:
    """The given rows of a matrix, in the order given: shape (rows, columns). The rest of the matrix stays on disk."""
    if isinstance(file, SafetensorsFile):
        return file.floats(name, rows)
    assert isinstance(file, GGUFFile)
    info = file.tensor(name)
    row_bytes = info.size // info.shape[0]
    stored = np.memmap(file.path, dtype=np.uint8, mode="r", offset=info.offset, shape=(info.shape[0], row_bytes))
    return _dequantized(file, info, np.ascontiguousarray(stored[rows])).reshape(len(rows), info.shape[-1])


def _dequantized(file: GGUFFile, info: TensorInfo, stored: npt.NDArray[np.uint8]) -> FloatArray:
    try:
        return np.asarray(dequantize(stored, info.type), dtype=np.float32)
    except NotImplementedError as error:
        raise CheckpointError(
            f"{file.path} stores {info.name!r} as {info.type.name}, which cannot be read; "
            "choose a base model of another quantisation, such as Q4_K_M or Q8_0."
        ) from error
