"""Writing a Hugging Face folder from a GGUF file."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from export.beside import name_beside, named_refusals
from export.hugging_face.safetensors import DType, StoredTensor, write_safetensors
from export.hugging_face.tokenizer import token_id, tokenizer_files
from export.hugging_face.weights import ModelFile, is_tied, transformers_tensors
from prune.architectures import architecture_of

_SHARD_BYTES = 5_000_000_000
_DTYPES = {DType.F32: "float32", DType.F16: "float16", DType.BF16: "bfloat16"}


def write_folder(source: Path, out: Path, dtype: DType = DType.F32) -> int:
    """Writes a model as a folder that transformers and vLLM load, and gives how many bytes it takes.

    As f32 the weights are the GGUF's to the last bit: Q8_0, for one, has 8-bit codes times half-precision scales, which
    take 18 bits where f16 has 11 and bf16 8. Zeros stay zeros in all of them.

    Args:
        source: the GGUF file, plain or sparse.
        out: the folder; it must not exist, and appears once it is whole.
        dtype: how weights are stored.

    Raises:
        CheckpointError: the model is damaged, or of a kind that transformers has no place for.
        UsageError: `out` is there, cannot be written, or a weight does not fit the type.
    """
    with named_refusals(out):
        beside = name_beside(out)
        try:
            with ModelFile(source) as model:
                tensors = transformers_tensors(model)
                texts = {**_configs(model, dtype), **tokenizer_files(model.file)}
                beside.mkdir()
                _write_weights(beside, tensors, dtype)
                for name, content in texts.items():
                    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
                    (beside / name).write_text(text, encoding="utf-8")
            size = sum(_synced(path) for path in beside.iterdir())
            beside.rename(out)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return size


def _configs(model: ModelFile, dtype: DType) -> dict[str, dict[str, Any]]:
    file = model.file
    architecture = architecture_of(file)
    arguments = architecture.config_arguments(file)
    ids = {
        f"{name}_token_id": token_id(file, role, arguments["vocab_size"])
        for name, role in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"))
    }
    rope = arguments["rope_parameters"]
    config = {
        "architectures": [architecture.config_class.replace("Config", "ForCausalLM")],
        "model_type": architecture.name,
        **arguments,
        "hidden_act": "silu",
        "tie_word_embeddings": is_tied(model),
        "use_sliding_window": False,
        # Before transformers 5.
        "rope_theta": rope["rope_theta"],
        "rope_scaling": None if rope["rope_type"] == "default" else rope,
        "dtype": _DTYPES[dtype],
        "torch_dtype": _DTYPES[dtype],
        **ids,
    }
    return {"config.json": config, "generation_config.json": ids}


def _write_weights(folder: Path, tensors: list[StoredTensor], dtype: DType) -> None:
    """One file, or as many as hold a few gigabytes each and an index of them."""
    shards: list[list[StoredTensor]] = [[]]
    size = 0
    for tensor in tensors:
        size += tensor.count * dtype.bytes
        if shards[-1] and size > _SHARD_BYTES:
            shards.append([])
            size = tensor.count * dtype.bytes
        shards[-1].append(tensor)
    if len(shards) == 1:
        write_safetensors(folder / "model.safetensors", tensors, dtype)
        return
    places: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        write_safetensors(folder / name, shard, dtype)
        places |= {tensor.name: name for tensor in shard}
    total = sum(tensor.count for tensor in tensors) * dtype.bytes
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _synced(path: Path) -> int:
    """Has a file's bytes on the disk, and gives how many it has."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size
