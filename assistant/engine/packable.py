"""Which of a model's matrices can be computed with in packed form, and what they take then."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from export.sparse.dense import Q8_0, VALUES_OF, coded
from export.sparse.records import SparseTensor, is_sparse, read_records
from prune.gguf_file import GGUFFile, TensorInfo

MATRIX = re.compile(r"blk\.(\d+)\.((?:attn|ffn)_\w+)\.weight")
_OUTPUT, _EMBEDDING = "output.weight", "token_embd.weight"
_MOST_COLUMNS = 1 << 17
_SAMPLE_BLOCKS = 2048
_FEW_ZEROS = 0.3  # with fewer, a mask and its bookkeeping cost what they save
_BLOCK = 32
_GROUP, _KEPT = 8, 4  # native/groups.h: what has a layout of its own
_SCALE_BITS, _MASK_BITS = 0.5, 1.0  # for each weight
WHOLE, MASKED, GROUPED = 0, 1, 2  # sned_layout of native/packed.h


@dataclass(frozen=True, slots=True)
class Packable:
    """A matrix as native/packed.h would hold it.

    Attributes:
        name: the tensor's.
        shape: (outputs, inputs).
        kind: its plain type.
        zeros: the share of its weights that are zeros, as far as it was looked at; 0 for one that is not pruned.
        grouped: whether at most four of eight neighbours are none.
        shared: blocks of 32 that have one scale.
    """

    name: str
    shape: tuple[int, int]
    kind: GGMLQuantizationType
    zeros: float = 0.0
    grouped: bool = False
    shared: int = 1

    @property
    def bits(self) -> int:
        """Of a value."""
        return 8 if self.kind is Q8_0 else 4

    @property
    def layout(self) -> int:
        """`sned_layout`: without masks, with masks, or in groups."""
        return GROUPED if self.grouped else MASKED if self.zeros else WHOLE

    @property
    def dense_bytes(self) -> int:
        """Bytes of its plain type."""
        block, size = GGML_QUANT_SIZES[self.kind]
        return self.shape[0] * self.shape[1] // int(block) * int(size)

    @property
    def packed_bytes(self) -> int:
        """Bytes in memory, about."""
        kept = _KEPT / _GROUP if self.grouped else 1 - self.zeros
        scale_bits = _SCALE_BITS / (self.shared if self.bits == 8 else 1)
        bits = scale_bits + (_MASK_BITS if self.layout else 0) + self.bits * kept
        return round(self.shape[0] * self.shape[1] * bits / 8)


def packable_matrices(path: Path) -> list[Packable]:
    """A model's matrices that have many zeros and are of a type that can be packed; with them the output, if it can be.

    That one has all its weights; where there is none, it is the embeddings. It is as large as a quarter of a small
    model, read for every token, and from panels in large pages that is done sooner than from rows.

    Raises:
        CheckpointError: the file is damaged.
    """
    with GGUFFile(path) as file:
        matrices = _of_records(file) if is_sparse(file) else _with_zeros(file)
        output = file.tensors.get(_OUTPUT) or file.tensors.get(_EMBEDDING)
        if matrices and output is not None and output.type is Q8_0 and output.shape[-1] <= _MOST_COLUMNS:
            matrices.append(Packable(output.name, (output.shape[0], output.shape[1]), output.type))
    return matrices


def _of_records(file: GGUFFile) -> list[Packable]:
    return [
        Packable(
            each.name,
            each.shape,
            each.dense_type,
            _zeros_of(each),
            _is_grouped(each),
            each.layout.format.block // _BLOCK,
        )
        for each in read_records(file).values()
        if _can_pack(each.name, each.shape, each.dense_type)
    ]


def _zeros_of(tensor: SparseTensor) -> float:
    """The share of zeros that a sparse file's matrix has, as far as the metadata tell: a half where rows differ."""
    kept = tensor.layout.kept
    return 0.5 if kept is None else 1 - kept / tensor.layout.columns


def _is_grouped(tensor: SparseTensor) -> bool:
    pattern = tensor.layout.format.pattern
    return 0 < pattern.group <= _GROUP and 2 * pattern.kept == pattern.group


def _with_zeros(file: GGUFFile) -> list[Packable]:
    """What the first blocks of a plain file's matrices tell."""
    found = []
    for each in file.tensors.values():
        if not _can_pack(each.name, each.shape, each.type):
            continue
        kept = _sample(file, each) != 0
        if (zeros := 1 - float(kept.mean())) >= _FEW_ZEROS:
            grouped = bool((kept.reshape(-1, _GROUP).sum(axis=1) <= _KEPT).all()) and zeros < 1 - 3 / _GROUP
            found.append(Packable(each.name, (each.shape[0], each.shape[1]), each.type, zeros, grouped))
    return found


def _can_pack(name: str, shape: tuple[int, ...], kind: GGMLQuantizationType) -> bool:
    fits = kind in VALUES_OF and len(shape) == 2 and shape[-1] <= _MOST_COLUMNS
    return fits and MATRIX.fullmatch(name) is not None


def _sample(file: GGUFFile, tensor: TensorInfo) -> np.ndarray:
    """The codes of the matrix's first blocks, shape (blocks, weights)."""
    block, block_bytes = GGML_QUANT_SIZES[tensor.type]
    data = np.frombuffer(next(iter(file.copy_chunks(tensor, _SAMPLE_BLOCKS * block_bytes))), dtype=np.uint8)
    blocks = data[: data.size // block_bytes * block_bytes].reshape(-1, block_bytes)
    return coded(blocks.ravel(), (len(blocks), block), tensor.type).codes
