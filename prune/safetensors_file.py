"""A model as Hugging Face keeps it, `config.json` and safetensors in one or more shards, seen as the GGUF of it.

Names, shapes, metadata, row order and norms are those that llama.cpp's converter (convert_hf_to_gguf.py) writes, so all
that reads base models here reads both kinds. There is no tokenizer in it. Files are untrusted: headers are checked.

Format: https://huggingface.co/docs/safetensors, section "Format".
"""

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gguf.constants import GGMLQuantizationType

from prune.architectures import SUPPORTED, Architecture, Matrix, refused
from prune.errors import CheckpointError
from prune.gguf_file import TensorInfo

_CONFIG, _WHOLE, _INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
_MAX_HEADER = 100 << 20
_TYPES = {
    "F32": GGMLQuantizationType.F32,
    "F16": GGMLQuantizationType.F16,
    "BF16": GGMLQuantizationType.BF16,
}
_WIDTHS = {GGMLQuantizationType.F32: 4, GGMLQuantizationType.F16: 2, GGMLQuantizationType.BF16: 2}

# GGUF's metadata keys, after the architecture's name, and the configuration's.
_KEYS = {
    "block_count": "num_hidden_layers",
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
}
_OUTSIDE_OF_BLOCKS = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}


class SafetensorsFile:
    """A folder with a model; a context manager, though nothing of it stays open.

    Attributes:
        path: the folder.
        tensors: by GGUF name; offsets are counted from the start of the shard that holds the tensor.
    """

    def __init__(self, path: Path) -> None:
        """Reads configuration and headers.

        Raises:
            CheckpointError: one is missing or damaged, or the architecture is not supported.
        """
        self.path = path
        self._config = _json_object(path / _CONFIG)
        self.architecture = str(self._config.get("model_type"))
        if self.architecture not in SUPPORTED:
            raise refused(path, self.architecture)
        self._family = SUPPORTED[self.architecture]
        self._shards: dict[str, Path] = {}
        self.tensors = self._named(_read_shards(path))

    def __enter__(self) -> "SafetensorsFile":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def value(self, key: str, default: Any = None) -> Any:
        """The value of a GGUF metadata key, as `GGUFFile.value`.

        Raises:
            CheckpointError: there is no such key and no default was given, or it is no number.
        """
        name = _KEYS.get(key.removeprefix(f"{self.architecture}."))
        found = self._config.get(name) if name is not None else None
        if found is None:
            if default is None:
                raise CheckpointError(f"{self.path / _CONFIG} does not say {name or key!r}; it is not a usable model.")
            return default
        if isinstance(found, bool) or not isinstance(found, int | float) or found <= 0:
            raise CheckpointError(f"{self.path / _CONFIG} says that {name} is {found!r}, not a number above 0.")
        return found

    @property
    def rope_parameters(self) -> dict[str, Any]:
        """How the model rotates positions, in transformers' words."""
        newer = self._config.get("rope_parameters")
        if isinstance(newer, dict):
            return newer
        theta = self._config.get("rope_theta", 10000.0)
        older = self._config.get("rope_scaling")
        if not isinstance(older, dict):
            return {"rope_type": "default", "rope_theta": theta}
        return {"rope_type": older.get("type", "default"), **older, "rope_theta": theta}

    def tensor(self, name: str) -> TensorInfo:
        """Where the tensor of this GGUF name lies.

        Raises:
            CheckpointError: there is none.
        """
        try:
            return self.tensors[name]
        except KeyError:
            raise CheckpointError(f"{self.path} has no tensor for {name!r}; it is not a usable model.") from None

    def floats(self, name: str, rows: npt.NDArray[np.integer[Any]] | None = None) -> npt.NDArray[np.float32]:
        """A tensor as GGUF has it, or some of its rows.

        Raises:
            CheckpointError: there is none.
        """
        info = self.tensor(name)
        values = self._stored(info, rows)
        matrix = self._reordered(name) if rows is None else None
        if matrix is not None and matrix.row_order is not None:
            reordered = np.empty_like(values)
            reordered[matrix.row_order(self, len(values))] = values
            return reordered
        return values + np.float32(self._family.norm_offset) if name.endswith("_norm.weight") else values

    def _stored(self, info: TensorInfo, rows: npt.NDArray[np.integer[Any]] | None) -> npt.NDArray[np.float32]:
        """As the shard has it."""
        raw_type = np.dtype("<f4") if info.type is GGMLQuantizationType.F32 else np.dtype("<u2")
        stored = np.memmap(self._shards[info.name], raw_type, mode="r", offset=info.offset, shape=info.shape)
        raw = np.array(stored if rows is None else stored[rows])
        if info.type is GGMLQuantizationType.BF16:
            return (raw.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return raw.view(np.float16).astype(np.float32) if info.type is GGMLQuantizationType.F16 else raw

    def _reordered(self, name: str) -> Matrix | None:
        """The matrix whose weight or bias has this name, if its rows are in another order in GGUF."""
        return next((each for each in self._family.matrices if each.row_order and f".{each.gguf_name}." in name), None)

    def _named(self, stored: dict[str, tuple[Path, TensorInfo]]) -> dict[str, TensorInfo]:
        """The tensors by GGUF name; others, such as tables of frequencies, are passed over."""
        tensors = {}
        for name, other in _names(self._family, int(self.value(f"{self.architecture}.block_count"))).items():
            if other in stored:
                shard, info = stored[other]
                self._shards[name] = shard
                tensors[name] = TensorInfo(name, info.shape, info.type, info.offset, info.size)
        return tensors


def _names(family: Architecture, blocks: int) -> dict[str, str]:
    """GGUF's names, and Hugging Face's of the same tensors."""
    names = dict(_OUTSIDE_OF_BLOCKS)
    for block in range(blocks):
        layer = f"model.layers.{block}"
        for matrix in family.matrices:
            names[matrix.weight_name(block)] = f"{layer}.{matrix.module}.weight"
            names[matrix.bias_name(block)] = f"{layer}.{matrix.module}.bias"
        for gguf_name, module in family.norms:
            names[f"blk.{block}.{gguf_name}.weight"] = f"{layer}.{module}.weight"
    return names


def _read_shards(folder: Path) -> dict[str, tuple[Path, TensorInfo]]:
    """All tensors of a model, by the names they have in its shards."""
    if not (folder / _INDEX).exists():
        return {name: (folder / _WHOLE, info) for name, info in _read_header(folder / _WHOLE).items()}
    places = _json_object(folder / _INDEX).get("weight_map")
    if not isinstance(places, dict):
        raise CheckpointError(f"{folder / _INDEX} has no weight_map; fetch the model again.")
    headers: dict[str, dict[str, TensorInfo]] = {}
    tensors = {}
    for name, file in places.items():
        if not isinstance(file, str) or Path(file).name != file:
            raise CheckpointError(f"{folder / _INDEX} names the file {file!r}, which is not beside it.")
        if file not in headers:
            headers[file] = _read_header(folder / file)
        if name not in headers[file]:
            raise CheckpointError(f"{folder / file} has no tensor {name!r}, though its index says so; fetch it again.")
        tensors[name] = (folder / file, headers[file][name])
    return tensors


def _read_header(path: Path) -> dict[str, TensorInfo]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
            if not 2 <= length <= min(_MAX_HEADER, size - 8):
                raise CheckpointError(f"{path} is truncated or no safetensors file; fetch the model again.")
            header = _parsed(file.read(length), path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be opened: {error.strerror}.") from error
    start = 8 + length
    return {name: _checked(path, name, entry, start, size) for name, entry in header.items() if name != "__metadata__"}


def _checked(path: Path, name: str, entry: Any, start: int, size: int) -> TensorInfo:
    try:
        shape = tuple(int(extent) for extent in entry["shape"])
        begin, end = entry["data_offsets"]
        tensor_type = _TYPES.get(entry["dtype"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} describes tensor {name!r} in a way that makes no sense.") from error
    if tensor_type is None:
        raise CheckpointError(
            f"{path} stores {name!r} as {entry['dtype']}, which cannot be read; choose a model in F32, F16 or BF16."
        )
    wanted = math.prod(shape) * _WIDTHS[tensor_type]
    whole_numbers = isinstance(begin, int) and isinstance(end, int)
    if not whole_numbers or not shape or min(shape) < 1 or begin < 0 or end - begin != wanted or start + end > size:
        raise CheckpointError(f"{path} is truncated or corrupted: tensor {name!r} does not fit; fetch the model again.")
    return TensorInfo(name, shape, tensor_type, start + begin, wanted)


def _json_object(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_HEADER:
            raise CheckpointError(f"{path} is far too large; fetch the model again.")
        return _parsed(path.read_bytes(), path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be opened: {error.strerror}.") from error


def _parsed(raw: bytes, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is truncated or corrupted: its JSON does not parse.") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} is truncated or corrupted: it holds no JSON object.")
    return value
