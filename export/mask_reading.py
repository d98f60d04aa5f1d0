"""Which weights of a model's file are not zero, plain or sparse, without making floats of them where that can be."""

import re
from pathlib import Path
from types import TracebackType

import numpy as np
from gguf.constants import GGMLQuantizationType

from export.sparse.errors import damaged
from export.sparse.masks import Mask
from export.sparse.packing import PackedMatrix, unpack_mask
from export.sparse.reader import SparseFile
from export.sparse.records import is_sparse
from prune.gguf_file import GGUFFile
from prune.weights import read_tensor

# What is pruned: the linear layers of blocks.
_MATRIX = re.compile(r"blk\.(\d+)\.(\w+)\.weight")

_Q8_0_BYTES = 34  # a half-precision scale and 32 codes


class MaskFile:
    """The masks of a GGUF's matrices; a context manager.

    Attributes:
        path: the file.
        shapes: the linear layers of blocks by name, (outputs, inputs), in the file's order.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file and checks its header.

        Raises:
            CheckpointError: it is no GGUF, or damaged.
        """
        self.path = path
        self._sparse: SparseFile | None = None
        self._file = GGUFFile(path)
        if is_sparse(self._file):
            self._file.close()
            self._sparse = SparseFile(path)
            self._file = self._sparse.file
        packed = self._sparse.tensors if self._sparse is not None else {}
        names = self._sparse.dense_tensors() if self._sparse is not None else list(self._file.tensors)
        shapes = {name: packed[name].shape if name in packed else self._file.tensors[name].shape for name in names}
        self.shapes: dict[str, tuple[int, int]] = {
            name: (shape[0], shape[1]) for name, shape in shapes.items() if len(shape) == 2 and _MATRIX.fullmatch(name)
        }

    def __enter__(self) -> "MaskFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        if self._sparse is not None:
            self._sparse.close()
        else:
            self._file.close()

    def mask(self, name: str) -> Mask:
        """True where a weight is kept, shape (outputs, inputs).

        In a sparse file that is what its mask says: a weight that is kept may be rounded to zero there.

        Raises:
            CheckpointError: the matrix cannot be read, or is damaged.
        """
        if self._sparse is not None and name in self._sparse.tensors:
            packed = PackedMatrix(self._sparse.tensors[name].layout, self._sparse.packed(name))
            try:
                return unpack_mask(packed)
            except ValueError as error:
                raise damaged(self.path, str(error), name) from error
        info = self._file.tensor(name)
        if info.type is not GGMLQuantizationType.Q8_0:
            return np.asarray(read_tensor(self._file, name) != 0)
        blocks = self._file.read(info).reshape(-1, _Q8_0_BYTES)
        scales = np.ascontiguousarray(blocks[:, :2]).view(np.float16)
        return np.asarray((blocks[:, 2:] != 0) & (scales != 0)).reshape(info.shape)


def place_of(name: str) -> tuple[int, str]:
    """The block and the kind of a matrix: 3 and `attn_q` for `blk.3.attn_q.weight`.

    Raises:
        ValueError: it is no linear layer of a block.
    """
    match = _MATRIX.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no linear layer of a block")
    return int(match[1]), match[2]
