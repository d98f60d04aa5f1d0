"""A GGUF model's tensors under the names, and with the rows, that transformers gives them."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from export.hugging_face.safetensors import Floats, StoredTensor
from export.sparse.reader import SparseFile
from export.sparse.records import is_sparse
from prune.architectures import Architecture, Matrix, architecture_of
from prune.errors import CheckpointError
from prune.gguf_file import GGUFFile
from prune.weights import read_rows, read_tensor

_EMBEDDING, _OUTPUT = "token_embd.weight", "output.weight"
_FLOATS_AT_ONCE = 1 << 22


class ModelFile:
    """An open GGUF file, plain or sparse, whose weights are read as floats; a context manager."""

    def __init__(self, path: Path) -> None:
        """Opens the file and checks its header.

        Raises:
            CheckpointError: it is no GGUF, or damaged.
        """
        with ExitStack() as opened:
            file = opened.enter_context(GGUFFile(path))
            self._sparse = opened.enter_context(SparseFile(path)) if is_sparse(file) else None
            self.file = file
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def names(self) -> list[str]:
        """The names of all tensors."""
        return list(self.file.tensors) if self._sparse is None else self._sparse.dense_tensors()

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape.

        Raises:
            CheckpointError: there is none of that name.
        """
        if self._sparse is not None and name in self._sparse.tensors:
            return self._sparse.tensors[name].shape
        return self.file.tensor(name).shape

    def pieces(self, name: str, order: npt.NDArray[np.int64] | None) -> Iterator[Floats]:
        """A tensor's values, a matrix's some rows at a time, in an order if one is given.

        Raises:
            CheckpointError: they cannot be read.
        """
        shape = self.shape(name)
        if self._sparse is not None and name in self._sparse.tensors:
            values = self._sparse.values(name)
            yield values if order is None else values[order]
        elif len(shape) == 1:
            values = read_tensor(self.file, name)
            yield values if order is None else values[order]
        else:
            rows = np.arange(shape[0]) if order is None else order
            step = max(1, _FLOATS_AT_ONCE // shape[-1])
            for start in range(0, len(rows), step):
                yield read_rows(self.file, name, rows[start : start + step])


def is_tied(model: ModelFile) -> bool:
    """Whether the embedding is the output matrix too."""
    return _OUTPUT not in model.names()


def transformers_tensors(model: ModelFile) -> list[StoredTensor]:
    """All weights of a model as transformers has them.

    Raises:
        CheckpointError: the architecture is not supported, a tensor is missing, or there is one too many, which the
            configuration has no place for.
    """
    architecture = architecture_of(model.file)
    left = dict.fromkeys(model.names())
    tensors = []

    def add(source: str, name: str, matrix: Matrix | None = None) -> None:
        shape = model.shape(source)
        order = matrix.row_order(model.file, shape[0]) if matrix is not None and matrix.row_order else None
        tensors.append(StoredTensor(name, shape, lambda: model.pieces(source, order)))
        left.pop(source)

    add(_EMBEDDING, "model.embed_tokens.weight")
    add("output_norm.weight", "model.norm.weight")
    if not is_tied(model):
        add(_OUTPUT, "lm_head.weight")
    for block in range(architecture.config_arguments(model.file)["num_hidden_layers"]):
        layer = f"model.layers.{block}"
        for source, module in architecture.norms:
            add(f"blk.{block}.{source}.weight", f"{layer}.{module}.weight")
        for matrix in architecture.matrices:
            add(matrix.weight_name(block), f"{layer}.{matrix.module}.weight", matrix)
            if matrix.bias_name(block) in left:
                add(matrix.bias_name(block), f"{layer}.{matrix.module}.bias", matrix)
            elif _has_bias(architecture, model, matrix):
                tensors.append(_zeros(f"{layer}.{matrix.module}.bias", model.shape(matrix.weight_name(block))[0]))
    if left:
        raise CheckpointError(
            f"{model.file.path} has the tensor {min(left)!r}, which a {architecture.name} model in transformers has no "
            "place for; export it as --to dense."
        )
    return tensors


def _has_bias(architecture: Architecture, model: ModelFile, matrix: Matrix) -> bool:
    """Whether transformers has a bias where GGUF has none: `attention_bias` covers the output too, but in qwen2."""
    return (
        matrix is architecture.attention_output
        and architecture.name != "qwen2"
        and "blk.0.attn_q.bias" in model.file.tensors
    )


def _zeros(name: str, count: int) -> StoredTensor:
    return StoredTensor(name, (count,), lambda: [np.zeros(count, dtype=np.float32)])
