"""What must be known of a model family to run its blocks from a GGUF file: names, shapes, and what its maker changed.

Tables only; `prune.blocks` does the work.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from prune.errors import CheckpointError
from prune.gguf_file import TensorInfo


class ModelFile(Protocol):
    """A base model's file or folder, whatever its format: a `GGUFFile`, or a `SafetensorsFile`."""

    @property
    def path(self) -> Path:
        """The file or folder."""
        ...

    @property
    def architecture(self) -> str:
        """The value of `general.architecture`."""
        ...

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Its tensors by GGUF name."""
        ...

    def value(self, key: str, default: Any = None) -> Any:
        """The value of a GGUF metadata key."""
        ...

    def tensor(self, name: str) -> TensorInfo:
        """Where the tensor of this name lies; a `CheckpointError` if there is none."""
        ...


RowOrder = Callable[[ModelFile, int], npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Matrix:
    """A linear layer of a block.

    Attributes:
        gguf_name: such as `attn_q`, for the tensors `blk.N.attn_q.weight` and, if there is one, `.bias`.
        module: the path of the same layer in the transformers block, such as `self_attn.q_proj`.
        row_order: where the two differ, gives for a number of rows which GGUF row is row i of the transformers weight.
    """

    gguf_name: str
    module: str
    row_order: RowOrder | None = None

    def weight_name(self, block: int) -> str:
        """The GGUF tensor of this matrix in a block."""
        return f"blk.{block}.{self.gguf_name}.weight"

    def bias_name(self, block: int) -> str:
        """The GGUF tensor of this layer's bias in a block; not every model has one."""
        return f"blk.{block}.{self.gguf_name}.bias"


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model family whose blocks are `x + attention(norm(x))`, then `x + mlp(norm(x))`.

    The matrices are grouped by the input they share, in the order in which data meets them.

    Attributes:
        name: the value of `general.architecture`.
        config_class: name of the configuration class in transformers.
        norms: GGUF name and transformers path of every norm of a block.
        norm_offset: what GGUF's norms have over transformers': Gemma's are 1 + weight there.
        scaled_embedding: embeddings are multiplied by the square root of their width.
    """

    name: str
    config_class: str
    attention_input: tuple[Matrix, ...]
    attention_output: Matrix
    mlp_input: tuple[Matrix, ...]
    mlp_output: Matrix
    norms: tuple[tuple[str, str], ...]
    norm_offset: float = 0.0
    scaled_embedding: bool = False

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        """Every linear layer of a block."""
        return (*self.attention_input, self.attention_output, *self.mlp_input, self.mlp_output)

    def config_arguments(self, file: ModelFile) -> dict[str, Any]:
        """The keyword arguments of the transformers configuration that describes this file.

        Raises:
            CheckpointError: a needed key is missing, or the rope scaling is of an unsupported kind.
        """

        def number(key: str, default: float | None = None) -> Any:
            return file.value(f"{self.name}.{key}", default)

        heads = number("attention.head_count")
        width = number("embedding_length")
        head_dim = number("attention.key_length", number("rope.dimension_count", width // heads))
        return {
            "vocab_size": file.tensor("token_embd.weight").shape[0],
            "hidden_size": width,
            "intermediate_size": number("feed_forward_length"),
            "num_hidden_layers": number("block_count"),
            "num_attention_heads": heads,
            "num_key_value_heads": number("attention.head_count_kv", heads),
            "head_dim": head_dim,
            "max_position_embeddings": number("context_length"),
            "rms_norm_eps": number("attention.layer_norm_rms_epsilon"),
            "rope_parameters": _rope_parameters(self.name, file),
            "attention_bias": "blk.0.attn_q.bias" in file.tensors,
        }


def _rope_parameters(architecture: str, file: ModelFile) -> dict[str, Any]:
    said = getattr(file, "rope_parameters", None)
    if isinstance(said, dict):  # GGUF says it in other words
        return said
    base = file.value(f"{architecture}.rope.freq_base", 10000.0)
    scaling = file.value(f"{architecture}.rope.scaling.type", "none")
    if scaling == "none":
        return {"rope_type": "default", "rope_theta": base}
    if scaling == "linear":
        factor = file.value(f"{architecture}.rope.scaling.factor")
        return {"rope_type": "linear", "rope_theta": base, "factor": factor}
    raise CheckpointError(
        f"{file.path} scales its rope by {scaling!r}, which pruning does not support; choose another base model."
    )


def _interleaved_rows(head_count_key: str) -> RowOrder:
    """llama.cpp rotates neighbouring rows of `llama` models, transformers the halves of a head: the converter reordered
    query and key rows within each head (`LlamaModel.permute` in llama.cpp's convert_hf_to_gguf.py)."""

    def order(file: ModelFile, rows: int) -> npt.NDArray[np.int64]:
        heads = file.value(f"llama.{head_count_key}", file.value("llama.attention.head_count"))
        return np.arange(rows).reshape(heads, rows // heads // 2, 2).swapaxes(1, 2).reshape(rows)

    return order


_NORMS = (("attn_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm"))
_VALUE = Matrix("attn_v", "self_attn.v_proj")
_ATTENTION_INPUT = (Matrix("attn_q", "self_attn.q_proj"), Matrix("attn_k", "self_attn.k_proj"), _VALUE)
_OUTPUT = Matrix("attn_output", "self_attn.o_proj")
_MLP_INPUT = (Matrix("ffn_gate", "mlp.gate_proj"), Matrix("ffn_up", "mlp.up_proj"))
_MLP_OUTPUT = Matrix("ffn_down", "mlp.down_proj")

SUPPORTED: Mapping[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            name="qwen2",
            config_class="Qwen2Config",
            attention_input=_ATTENTION_INPUT,
            attention_output=_OUTPUT,
            mlp_input=_MLP_INPUT,
            mlp_output=_MLP_OUTPUT,
            norms=_NORMS,
        ),
        Architecture(
            name="qwen3",
            config_class="Qwen3Config",
            attention_input=_ATTENTION_INPUT,
            attention_output=_OUTPUT,
            mlp_input=_MLP_INPUT,
            mlp_output=_MLP_OUTPUT,
            norms=(*_NORMS, ("attn_q_norm", "self_attn.q_norm"), ("attn_k_norm", "self_attn.k_norm")),
        ),
        Architecture(
            name="llama",
            config_class="LlamaConfig",
            attention_input=(
                Matrix("attn_q", "self_attn.q_proj", _interleaved_rows("attention.head_count")),
                Matrix("attn_k", "self_attn.k_proj", _interleaved_rows("attention.head_count_kv")),
                _VALUE,
            ),
            attention_output=_OUTPUT,
            mlp_input=_MLP_INPUT,
            mlp_output=_MLP_OUTPUT,
            norms=_NORMS,
        ),
        Architecture(  # the first generation, CodeGemma among it; later ones have norms after attention and MLP as well
            name="gemma",
            config_class="GemmaConfig",
            attention_input=_ATTENTION_INPUT,
            attention_output=_OUTPUT,
            mlp_input=_MLP_INPUT,
            mlp_output=_MLP_OUTPUT,
            norms=_NORMS,
            norm_offset=1.0,
            scaled_embedding=True,
        ),
    )
}


def architecture_of(file: ModelFile) -> Architecture:
    """The model family of a file.

    Raises:
        CheckpointError: pruning does not know it; the message names those it does.
    """
    architecture = SUPPORTED.get(file.architecture)
    if architecture is None or "blk.0.ffn_gate_inp.weight" in file.tensors:  # the router of a mixture of experts
        raise refused(
            file.path, file.architecture if architecture is None else f"mixture-of-experts {file.architecture}"
        )
    return architecture


def refused(path: Path, kind: str) -> CheckpointError:
    """What to raise for a model of an architecture that is not supported; the message names those that are."""
    return CheckpointError(
        f"{path} is a {kind} model, which pruning does not support; "
        f"choose a base model of one of these architectures: {', '.join(sorted(SUPPORTED))}."
    )
