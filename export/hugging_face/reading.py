"""Writing a GGUF file from a Hugging Face folder: a base model that nobody has converted yet."""

from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter, LlamaFileType
from gguf.constants import GGMLQuantizationType
from gguf.quants import quantize

from export.hugging_face.vocabulary import read_tokenizer
from prune.architectures import architecture_of
from prune.errors import CheckpointError
from prune.gguf_file import TensorInfo
from prune.safetensors_file import SafetensorsFile

_FILE_TYPES = {
    GGMLQuantizationType.F32: LlamaFileType.ALL_F32,
    GGMLQuantizationType.F16: LlamaFileType.MOSTLY_F16,
    GGMLQuantizationType.BF16: LlamaFileType.MOSTLY_BF16,
}
_NUMPY: dict[GGMLQuantizationType, np.dtype[Any]] = {
    GGMLQuantizationType.F32: np.dtype("<f4"),
    GGMLQuantizationType.F16: np.dtype("<f2"),
}


def write_gguf(folder: Path, out: Path) -> None:
    """Writes a model as a GGUF file with the same weights, matrices in the type that the folder has them in.

    Args:
        folder: `config.json`, `tokenizer.json` and safetensors, sharded or not.
        out: the file; it must not exist. It is not whole until this returns.

    Raises:
        CheckpointError: something is missing or damaged, or of a kind that this has no place for.
        OSError: the file cannot be written.
    """
    with SafetensorsFile(folder) as model:
        rope = model.rope_parameters
        if rope.get("rope_type", "default") != "default":
            raise CheckpointError(
                f"{folder} scales its rope by {rope.get('rope_type')!r}, which cannot be turned into GGUF's; "
                "take the model's GGUF file instead."
            )
        arguments = architecture_of(model).config_arguments(model)
        tokenizer = read_tokenizer(folder, arguments["vocab_size"])
        writer = GGUFWriter(out, model.architecture)
        try:
            writer.add_name(folder.resolve().name)
            writer.add_file_type(_FILE_TYPES[model.tensor("token_embd.weight").type])
            writer.add_block_count(arguments["num_hidden_layers"])
            writer.add_context_length(arguments["max_position_embeddings"])
            writer.add_embedding_length(arguments["hidden_size"])
            writer.add_feed_forward_length(arguments["intermediate_size"])
            writer.add_head_count(arguments["num_attention_heads"])
            writer.add_head_count_kv(arguments["num_key_value_heads"])
            writer.add_key_length(arguments["head_dim"])
            writer.add_value_length(arguments["head_dim"])
            writer.add_rope_dimension_count(arguments["head_dim"])
            writer.add_rope_freq_base(rope["rope_theta"])
            writer.add_layer_norm_rms_eps(arguments["rms_norm_eps"])
            writer.add_vocab_size(arguments["vocab_size"])
            tokenizer.add_to(writer)
            _write_tensors(writer, model)
        finally:
            writer.close()


def _write_tensors(writer: GGUFWriter, model: SafetensorsFile) -> None:
    """One tensor in memory at a time."""
    types = {info.name: _type_in_gguf(info) for info in model.tensors.values()}
    for info in model.tensors.values():
        kind = types[info.name]
        size = int(np.prod(info.shape)) * (4 if kind is GGMLQuantizationType.F32 else 2)
        # bf16 has no numpy type of its own; for gguf it is then bytes, whose shape is counted in bytes.
        shape = info.shape if kind in _NUMPY else (*info.shape[:-1], 2 * info.shape[-1])
        writer.add_tensor_info(info.name, shape, _NUMPY.get(kind, np.dtype(np.uint8)), size, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name in model.tensors:
        values, kind = model.floats(name), types[name]
        writer.write_tensor_data(values.astype(_NUMPY[kind]) if kind in _NUMPY else quantize(values, kind))


def _type_in_gguf(info: TensorInfo) -> GGMLQuantizationType:
    """llama.cpp wants norms and biases as 32-bit floats."""
    return info.type if len(info.shape) > 1 else GGMLQuantizationType.F32
