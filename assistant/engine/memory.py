"""Whether a model can be opened here: its file is whole, and the machine's memory holds it."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from gguf.constants import GGUFValueType

from assistant.errors import CheckpointError, EngineError
from export.sparse.records import is_sparse, plain_sizes
from prune.gguf_file import GGUFFile

_KV_BYTES_PER_VALUE = 2  # the cache holds half-precision numbers
_MAX_LAYERS = 512  # llama.cpp's own limit, where it ends the process
_MAX_WIDTH = 1 << 20
# Compute buffers and the vocabulary, measured from 0.5B to 1.5B models.
WORKING_BYTES = 150 << 20
_CACHED_CONTEXTS = 2


def cache_tokens(context: int) -> int:
    """Tokens that the KV cache holds of all documents: two prompts of full length, or many that share parts."""
    return _CACHED_CONTEXTS * context


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What a model file's header says of the memory it will take.

    Attributes:
        architecture: such as `qwen2`.
        weight_bytes: size of the weights in memory, and nearly that of a plain file of them.
        kv_bytes_per_token: bytes that each token takes in the KV cache.
        sparse: whether the file is a sparse GGUF, whose pruned matrices are unpacked when it is loaded.
        layers: the blocks of the model.
        block_bytes: size in memory of all their weights together.
        output_bytes: size of the output matrix, which may be the embedding as well.
    """

    architecture: str
    weight_bytes: int
    kv_bytes_per_token: int
    sparse: bool = False
    layers: int = 1
    block_bytes: int = 0
    output_bytes: int = 0

    def memory(self, context: int) -> int:
        """Bytes that the model takes when opened with that many tokens of context."""
        return self.weight_bytes + self.kv_bytes_per_token * cache_tokens(context) + WORKING_BYTES


def read_shape(path: Path) -> ModelShape:
    """The shape in a model file's header, which is checked strictly: llama.cpp ends the process on some damaged files.

    Raises:
        EngineError: the file is missing, not GGUF, truncated, corrupted, or not a language model.
    """
    try:
        with GGUFFile(path) as file:
            return _shape_of(file, path)
    except CheckpointError as error:
        raise EngineError(str(error)) from error


def check_memory(path: Path, shape: ModelShape, context: int, saved: int = 0) -> None:
    """Refuses a model that is larger than the memory now available.

    It takes `saved` bytes less than from a plain file on the CPU, if matrices are packed, or on a GPU.

    Raises:
        EngineError: it is.
    """
    needed, available = shape.memory(context) - saved, psutil.virtual_memory().available
    if needed > available:
        raise EngineError(
            f"{path} needs {_gib(needed)} of memory with a context of {context}, and {_gib(available)} are available; "
            "close other programs, choose a smaller model, lower SNED_CONTEXT, or insist with --ignore-memory."
        )


def _shape_of(file: GGUFFile, path: Path) -> ModelShape:
    architecture = file.architecture
    _check_numbers(file, path)
    layers = _count(file, path, "block_count", _MAX_LAYERS)
    heads = _largest(file, path, "head_count", f"{architecture}.attention.head_count")
    width = _count(file, path, "embedding_length", _MAX_WIDTH)
    if heads > width:
        raise _unusable(path, f"{heads} attention heads for a width of {width}")
    kv_heads = _largest(file, path, "head_count_kv", f"{architecture}.attention.head_count_kv", heads)
    key_length = file.value(f"{architecture}.attention.key_length", width // heads)
    value_length = file.value(f"{architecture}.attention.value_length", width // heads)
    if not all(isinstance(length, int) and 0 < length <= _MAX_WIDTH for length in (key_length, value_length)):
        raise _unusable(path, f"attention heads of {key_length!r} and {value_length!r} values")
    per_token = layers * kv_heads * (key_length + value_length) * _KV_BYTES_PER_VALUE
    sparse = is_sparse(file)
    sizes = plain_sizes(file) if sparse else {name: info.size for name, info in file.tensors.items()}
    return ModelShape(
        architecture,
        weight_bytes=sum(sizes.values()) if sparse else path.stat().st_size,
        kv_bytes_per_token=per_token,
        sparse=sparse,
        layers=layers,
        block_bytes=sum(size for name, size in sizes.items() if name.startswith("blk.")),
        output_bytes=sizes.get("output.weight", sizes.get("token_embd.weight", 0)),
    )


def _check_numbers(file: GGUFFile, path: Path) -> None:
    """Refuses an architecture's number that cannot be one: llama.cpp ends the process where it asserts such things."""
    for key, entry in file.entries.items():
        if entry.type in (GGUFValueType.FLOAT32, GGUFValueType.FLOAT64) and key.startswith(file.architecture):
            value = file.value(key)
            if not math.isfinite(value) or value < 0:
                raise _unusable(path, f"{key} is {value}")


def _count(file: GGUFFile, path: Path, key: str, limit: int) -> int:
    value: Any = file.value(f"{file.architecture}.{key}")
    if not isinstance(value, int) or not 0 < value <= limit:
        raise _unusable(path, f"{key} is {value!r}")
    return int(value)


def _largest(file: GGUFFile, path: Path, what: str, key: str, default: int | None = None) -> int:
    """A count that a file may give once for all layers, or a layer each."""
    value: Any = file.value(key, default)
    counts = value if isinstance(value, list) else [value]
    if not counts or not all(isinstance(count, int) and 0 <= count <= _MAX_WIDTH for count in counts):
        raise _unusable(path, f"{what} is {value!r}")
    largest: int = max(counts)
    if largest == 0:
        raise _unusable(path, f"{what} is 0")
    return largest


def _unusable(path: Path, what: str) -> EngineError:
    return EngineError(f"{path} is not a usable language model: {what}; fetch or build it again.")


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
