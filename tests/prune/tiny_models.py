"""Tiny random models of each supported architecture, with a byte-level tokenizer, written by gguf's own writer."""

from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np

HIDDEN, INTERMEDIATE, HEADS, KV_HEADS, HEAD_DIM, BLOCKS = 64, 96, 4, 2, 16, 3
SPECIAL_TOKENS = ("<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")


def _byte_tokens() -> list[str]:
    """GPT-2's spelling of the 256 bytes: printable ones as they are, the others from U+0100 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


TOKENS = (*_byte_tokens(), "ĠĠ", *SPECIAL_TOKENS)
VOCABULARY = len(TOKENS)


@dataclass(frozen=True)
class TinyModel:
    """A model's file, and its weights by GGUF name as the file gives them back."""

    path: Path
    weights: dict[str, np.ndarray] = field(repr=False)


def write_tiny_model(
    path: Path,
    architecture: str,
    quantisation: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    seed: int = 0,
    replace: dict[str, np.ndarray] | None = None,
) -> TinyModel:
    """A model with random weights; `replace` puts other values in the place of some, or adds an output matrix."""
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(BLOCKS)
    writer.add_context_length(512)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INTERMEDIATE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD_DIM)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(list(TOKENS))
    kinds = [gguf.TokenType.CONTROL if token in SPECIAL_TOKENS else gguf.TokenType.NORMAL for token in TOKENS]
    writer.add_token_types(kinds)
    writer.add_token_merges(["Ġ Ġ"])
    writer.add_eos_token_id(TOKENS.index("<|endoftext|>"))
    writer.add_add_bos_token(False)
    weights = {}
    added = {name: values.shape for name, values in (replace or {}).items()}
    for name, shape in {**_shapes(architecture), **added}.items():
        values = (random.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)
        if name.endswith("norm.weight"):
            values = 1 + values
        if replace and name in replace:
            values = replace[name]
        if values.ndim == 2 and quantisation is not gguf.GGMLQuantizationType.F32:
            stored = gguf.quants.quantize(values, quantisation)
            writer.add_tensor(name, stored, raw_dtype=quantisation)
            values = gguf.quants.dequantize(stored, quantisation)
        else:
            writer.add_tensor(name, values)
        weights[name] = values
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return TinyModel(path, weights)


def _shapes(architecture: str) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (VOCABULARY, HIDDEN),
        "output_norm.weight": (HIDDEN,),
    }
    for block in range(BLOCKS):
        matrices = {
            "attn_q": (HEADS * HEAD_DIM, HIDDEN),
            "attn_k": (KV_HEADS * HEAD_DIM, HIDDEN),
            "attn_v": (KV_HEADS * HEAD_DIM, HIDDEN),
            "attn_output": (HIDDEN, HEADS * HEAD_DIM),
            "ffn_gate": (INTERMEDIATE, HIDDEN),
            "ffn_up": (INTERMEDIATE, HIDDEN),
            "ffn_down": (HIDDEN, INTERMEDIATE),
        }
        for name, shape in matrices.items():
            shapes[f"blk.{block}.{name}.weight"] = shape
        for name in ("attn_norm", "ffn_norm"):
            shapes[f"blk.{block}.{name}.weight"] = (HIDDEN,)
        if architecture == "qwen2":
            for name in ("attn_q", "attn_k", "attn_v"):
                shapes[f"blk.{block}.{name}.bias"] = (matrices[name][0],)
        if architecture == "qwen3":
            for name in ("attn_q_norm", "attn_k_norm"):
                shapes[f"blk.{block}.{name}.weight"] = (HEAD_DIM,)
    return shapes
