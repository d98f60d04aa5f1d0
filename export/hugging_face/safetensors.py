"""Writing safetensors: a length, a JSON header, and tensors one after the other.

Format: https://github.com/huggingface/safetensors#format.
"""

import json
import math
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from prune.errors import UsageError

_ALIGNMENT = 8
Floats = npt.NDArray[np.float32]


class DType(StrEnum):
    """How weights are stored."""

    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"

    @property
    def bytes(self) -> int:
        """Bytes of a weight."""
        return 4 if self is DType.F32 else 2

    def stored(self, values: Floats) -> npt.NDArray[np.generic]:
        """The values as so many little-endian bytes each, rounded to the nearest where they do not fit.

        Raises:
            UsageError: one is larger than any of this type.
        """
        if self is DType.F32:
            return values.astype("<f4", copy=False)
        if self is DType.F16:
            with np.errstate(over="ignore"):
                halves = values.astype("<f2")
            if not np.isfinite(halves).all():
                raise UsageError("The model has weights too large for f16; choose --dtype bf16 or f32.")
            return halves
        bits = values.astype("<f4", copy=False).view("<u4")
        nearest: npt.NDArray[np.uint16] = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype("<u2")
        return nearest


@dataclass(frozen=True)
class StoredTensor:
    """A tensor to be written.

    Attributes:
        name: its name.
        shape: its shape.
        pieces: gives its values, in order and in any number of pieces.
    """

    name: str
    shape: tuple[int, ...]
    pieces: Callable[[], Iterable[Floats]]

    @property
    def count(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)


def write_safetensors(path: Path, tensors: Sequence[StoredTensor], dtype: DType) -> None:
    """Writes a file with these tensors, of which a piece at a time is in memory.

    Raises:
        OSError: it cannot be written.
        UsageError: a weight is too large for the type.
        ValueError: a tensor's pieces are not what its shape says.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor in tensors:
        start, end = end, end + tensor.count * dtype.bytes
        header[tensor.name] = {
            "dtype": dtype.value.upper(),
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text = text.ljust(-(-len(text) // _ALIGNMENT) * _ALIGNMENT)
    with path.open("xb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors:
            written = sum(file.write(dtype.stored(piece).tobytes()) for piece in tensor.pieces())
            if written != tensor.count * dtype.bytes:
                raise ValueError(f"tensor {tensor.name!r} of shape {tensor.shape} got {written} bytes")
