"""Running a model's blocks one after another with weights taken from its file.

transformers computes; only one block's weights are in memory at a time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from torch import Tensor, nn

from prune.architectures import Matrix, ModelFile, architecture_of
from prune.errors import CheckpointError
from prune.weights import read_rows, read_tensor


class Block:
    """One transformer block with its weights, split where its linear layers' inputs can be seen."""

    def __init__(self, layer: Any, rope: tuple[Tensor, Tensor]) -> None:
        self._layer = layer
        self._rope = rope

    def linear(self, matrix: Matrix) -> nn.Linear:
        """The module of a matrix; its weight has shape (outputs, inputs), in transformers' row order."""
        module = self._layer.get_submodule(matrix.module)
        assert isinstance(module, nn.Linear)
        return module

    def dense(self, hidden: Tensor) -> Tensor:
        """The whole block's output, as transformers computes it, for hidden states ([sequences,] tokens, width)."""
        sequences = hidden.reshape(-1, *hidden.shape[-2:])
        output: Tensor = self._layer(sequences, position_embeddings=self._rope, attention_mask=None)
        return output.reshape(hidden.shape)

    def attention_input(self, hidden: Tensor) -> Tensor:
        """What the query, key and value matrices read, from hidden states of shape (tokens, width)."""
        normed: Tensor = self._layer.input_layernorm(hidden)
        return normed

    def attention_context(self, attention_input: Tensor) -> Tensor:
        """What the attention's output matrix reads: shape (tokens, heads x head width)."""
        attention = self._layer.self_attn
        with _bypassed(attention, "o_proj"):
            context: Tensor = attention(
                attention_input.unsqueeze(0), position_embeddings=self._rope, attention_mask=None
            )[0]
        return context.squeeze(0)

    def mlp_input(self, hidden: Tensor) -> Tensor:
        """What the gate and up matrices read."""
        normed: Tensor = self._layer.post_attention_layernorm(hidden)
        return normed

    def mlp_activation(self, mlp_input: Tensor) -> Tensor:
        """What the down matrix reads: shape (tokens, intermediate width)."""
        with _bypassed(self._layer.mlp, "down_proj"):
            activation: Tensor = self._layer.mlp(mlp_input)
        return activation


@contextmanager
def _bypassed(module: nn.Module, name: str) -> Iterator[None]:
    """Lets `module` give what its last layer would have read."""
    layer = getattr(module, name)
    setattr(module, name, nn.Identity())
    try:
        yield
    finally:
        setattr(module, name, layer)


class BlockLoader:
    """Makes blocks from a file, and the hidden states that enter the first."""

    def __init__(self, file: ModelFile, sequence_length: int) -> None:
        """Reads the model's shape from `file`.

        Raises:
            CheckpointError: the architecture is not supported, or the metadata is incomplete.
        """
        self.file = file
        self.architecture = architecture_of(file)
        arguments = self.architecture.config_arguments(file)
        config_class = getattr(transformers, self.architecture.config_class)
        self._config = config_class(**arguments, attn_implementation="sdpa")
        with torch.device("meta"):
            skeleton = transformers.AutoModel.from_config(self._config)
        self._layers = skeleton.layers
        self._rope = self._rotary_embeddings(type(skeleton.rotary_emb), sequence_length)

    @property
    def count(self) -> int:
        """Blocks in the model."""
        return len(self._layers)

    def embed(self, tokens: npt.NDArray[np.int32]) -> Tensor:
        """The hidden states that enter the first block, shape (sequences, tokens, width).

        Raises:
            CheckpointError: a token id is not in the vocabulary.
        """
        used, places = np.unique(tokens, return_inverse=True)
        vocabulary = self.file.tensor("token_embd.weight").shape[0]
        if used[0] < 0 or used[-1] >= vocabulary:
            raise CheckpointError(f"Token {used[-1]} is not in the vocabulary of {self.file.path} ({vocabulary}).")
        rows = torch.from_numpy(read_rows(self.file, "token_embd.weight", used))
        if self.architecture.scaled_embedding:
            rows *= rows.shape[1] ** 0.5
        return rows[torch.from_numpy(places.reshape(tokens.shape))]

    def load(self, index: int) -> Block:
        """Block `index`, its weights dequantised to 32-bit floats.

        Raises:
            CheckpointError: a tensor is missing or of another shape than the metadata say.
        """
        layer = self._layers[index].to_empty(device="cpu").eval().requires_grad_(False)
        for gguf_name, path in self.architecture.norms:
            norm = read_tensor(self.file, f"blk.{index}.{gguf_name}.weight")
            _assign(layer, f"{path}.weight", norm - np.float32(self.architecture.norm_offset), self.file)
        for matrix in self.architecture.matrices:
            weight = read_tensor(self.file, matrix.weight_name(index))
            if matrix.row_order is not None:
                weight = weight[matrix.row_order(self.file, len(weight))]
            _assign(layer, f"{matrix.module}.weight", weight, self.file)
            if layer.get_submodule(matrix.module).bias is not None:
                _assign(layer, f"{matrix.module}.bias", self._bias(matrix, index), self.file)
        return Block(layer, self._rope)

    def unload(self, index: int) -> None:
        """Frees the memory of block `index`."""
        self._layers[index].to("meta")

    def in_file_order(self, matrix: Matrix, weight: Tensor) -> npt.NDArray[np.float32]:
        """A matrix with its rows as the GGUF file has them."""
        values: npt.NDArray[np.float32] = weight.numpy()
        if matrix.row_order is None:
            return values
        restored = np.empty_like(values)
        restored[matrix.row_order(self.file, len(values))] = values
        return restored

    def _bias(self, matrix: Matrix, index: int) -> npt.NDArray[np.float32]:
        name = matrix.bias_name(index)
        if name not in self.file.tensors:  # transformers' attention_bias covers the output too, GGUF's need not
            return np.zeros(self.file.tensor(matrix.weight_name(index)).shape[0], dtype=np.float32)
        bias = read_tensor(self.file, name)
        return bias if matrix.row_order is None else bias[matrix.row_order(self.file, len(bias))]

    def _rotary_embeddings(self, kind: type[Any], length: int) -> tuple[Tensor, Tensor]:
        rotary = kind(self._config)
        if "rope_freqs.weight" in self.file.tensors:  # Llama 3's scaling, kept by GGUF as a divisor of each frequency
            rotary.inv_freq /= torch.from_numpy(read_tensor(self.file, "rope_freqs.weight"))
        cosines, sines = rotary(torch.zeros(1), torch.arange(length).unsqueeze(0))
        return cosines, sines


def _assign(layer: nn.Module, path: str, values: npt.NDArray[np.float32], file: ModelFile) -> None:
    parameter = layer.get_parameter(path)
    if tuple(parameter.shape) != values.shape:
        raise CheckpointError(
            f"{file.path} holds {path} as {values.shape}, where its metadata say {tuple(parameter.shape)}; "
            "fetch the model again."
        )
    parameter.data = torch.from_numpy(np.ascontiguousarray(values))
