"""The tiny models as Hugging Face keeps them: `config.json`, and safetensors in one file or in shards."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.prune import tiny_models as tiny

_MODULES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def write_tiny_checkpoint(folder: Path, architecture: str, weights: dict[str, np.ndarray], shards: int = 1) -> Path:
    """The model of these weights, which are named, ordered and scaled as in GGUF."""
    folder.mkdir()
    config = {
        "model_type": architecture,
        "vocab_size": tiny.VOCABULARY,
        "hidden_size": tiny.HIDDEN,
        "intermediate_size": tiny.INTERMEDIATE,
        "num_hidden_layers": tiny.BLOCKS,
        "num_attention_heads": tiny.HEADS,
        "num_key_value_heads": tiny.KV_HEADS,
        "head_dim": tiny.HEAD_DIM,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    tensors = dict(_tensor(name, values, architecture) for name, values in weights.items())
    if shards == 1:
        save_file(tensors, folder / "model.safetensors")
        return folder
    names = [f"model-{number:05}-of-{shards:05}.safetensors" for number in range(1, shards + 1)]
    places = {name: names[index % shards] for index, name in enumerate(tensors)}
    for file in names:
        save_file({name: tensors[name] for name in tensors if places[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return folder


def _tensor(name: str, values: np.ndarray, architecture: str) -> tuple[str, np.ndarray]:
    """What llama.cpp's converter does, undone."""
    if architecture == "gemma" and name.endswith("norm.weight"):
        values = values - 1
    if name in ("token_embd.weight", "output_norm.weight"):
        return {"t": "model.embed_tokens.weight", "o": "model.norm.weight"}[name[0]], values
    _, block, short, kind = name.split(".")
    if architecture == "llama" and short in ("attn_q", "attn_k"):
        heads = tiny.HEADS if short == "attn_q" else tiny.KV_HEADS
        values = values.reshape(heads, tiny.HEAD_DIM // 2, 2, -1).swapaxes(1, 2).reshape(values.shape)
    return f"model.layers.{block}.{_MODULES[short]}.{kind}", np.ascontiguousarray(values)
