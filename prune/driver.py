"""One pass through a model that prunes each matrix as soon as its inputs are known, then goes on through it.

Every matrix sees what the pruned model before it computes, and each is multiplied once: the pass costs one dense
forward pass over the calibration tokens, and memory for one block and two sets of activations, whatever the depth.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from prune.architectures import Matrix, ModelFile, architecture_of
from prune.blocks import Block, BlockLoader
from prune.errors import CheckpointError, UsageError
from prune.wanda import InputNorms, pruned_per_row, unstructured_mask, wanda_scores


@dataclass(frozen=True, slots=True)
class PrunedMatrix:
    """A pruned matrix: its GGUF tensor name, and its values with zeros where pruned.

    The shape is (outputs, inputs), with rows in the order of the file.
    """

    name: str
    values: npt.NDArray[np.float32]


Progress = Callable[[float], None]

_FLOAT_BYTES = 4


def prune_blocks(
    file: ModelFile,
    tokens: npt.NDArray[np.int32],
    sparsity: float,
    progress: Progress = lambda fraction: None,
) -> Iterator[PrunedMatrix]:
    """The pruned form of every linear layer of a model's blocks, block by block.

    Wanda (arXiv 2306.11695), unstructured, compared per output row. Embeddings, norms, biases and the output matrix
    are not touched.

    Args:
        file: the base model.
        tokens: calibration set, shape (sequences, tokens a sequence), without padding.
        sparsity: fraction of each row to prune, between 0 and 1.
        progress: told the fraction of the work done, from 0 to 1.

    Raises:
        CheckpointError: the model's architecture is not supported, or its weights give activations that are not finite.
        UsageError: the calibration set is empty.
    """
    if tokens.ndim != 2 or not tokens.size:
        raise UsageError("The calibration set holds no whole sequence; give more calibration text.")
    yield from _Pass(file, tokens, sparsity, progress).run()


def prunable_tensors(file: ModelFile) -> list[str]:
    """The names of the tensors that `prune_blocks` gives, in its order.

    Raises:
        CheckpointError: the architecture is not supported, or a tensor is missing.
    """
    architecture = architecture_of(file)
    blocks = architecture.config_arguments(file)["num_hidden_layers"]
    names = [matrix.weight_name(block) for block in range(blocks) for matrix in architecture.matrices]
    return [file.tensor(name).name for name in names]


class _Pass:
    """The state of one pass: hidden states of all sequences, and the work done so far."""

    def __init__(self, file: ModelFile, tokens: npt.NDArray[np.int32], sparsity: float, progress: Progress) -> None:
        self._loader = BlockLoader(file, sequence_length=tokens.shape[1])
        self._sparsity = sparsity
        self._progress = progress
        self._hidden = self._loader.embed(tokens)
        self._work_done = 0
        self._work = len(tokens) * sum(
            _weights(file, matrix.weight_name(block))
            for block in range(self._loader.count)
            for matrix in self._loader.architecture.matrices
        )

    @torch.inference_mode()  # as a decorator, it is off while the caller has a matrix
    def run(self) -> Iterator[PrunedMatrix]:
        self._progress(0.0)
        for index in range(self._loader.count):
            yield from self._block(index, self._loader.load(index))
            self._loader.unload(index)

    def _block(self, index: int, block: Block) -> Iterator[PrunedMatrix]:
        stages = self._loader.architecture

        inputs, norms = _gathered(map(block.attention_input, self._hidden))
        yield from self._prune(index, block, stages.attention_input, norms)
        outputs = map(block.attention_context, _consumed(inputs))
        contexts, norms = _gathered(self._counted(outputs, index, stages.attention_input))
        yield from self._prune(index, block, (stages.attention_output,), norms)
        self._add_to_hidden(map(block.linear(stages.attention_output), _consumed(contexts)))

        inputs, norms = _gathered(map(block.mlp_input, self._hidden))
        yield from self._prune(index, block, stages.mlp_input, norms)
        outputs = map(block.mlp_activation, _consumed(inputs))
        activations, norms = _gathered(self._counted(outputs, index, (stages.attention_output, *stages.mlp_input)))
        yield from self._prune(index, block, (stages.mlp_output,), norms)
        outputs = map(block.linear(stages.mlp_output), _consumed(activations))
        self._add_to_hidden(self._counted(outputs, index, (stages.mlp_output,)))

    def _add_to_hidden(self, updates: Iterable[Tensor]) -> None:
        for hidden, update in zip(self._hidden, updates, strict=True):
            hidden.add_(update)

    def _prune(
        self, index: int, block: Block, matrices: tuple[Matrix, ...], norms: InputNorms
    ) -> Iterator[PrunedMatrix]:
        input_norms = norms.result()
        for matrix in matrices:
            name = matrix.weight_name(index)
            weight = block.linear(matrix).weight
            scores = wanda_scores(weight, input_norms)
            if not torch.isfinite(scores).all():
                raise CheckpointError(
                    f"The weights or inputs of {name!r} in {self._loader.file.path} are not finite numbers: "
                    "the base model is damaged; remove it and fetch it again."
                )
            weight *= unstructured_mask(scores, pruned_per_row(weight, self._sparsity))
            yield PrunedMatrix(name, self._loader.in_file_order(matrix, weight))

    def _counted(self, outputs: Iterable[Tensor], index: int, matrices: tuple[Matrix, ...]) -> Iterator[Tensor]:
        """Passes a sequence's outputs on, and tells of the work done for each.

        Work is counted in weights multiplied, so that the time left is a straight line.
        """
        work = sum(_weights(self._loader.file, matrix.weight_name(index)) for matrix in matrices)
        for output in outputs:
            self._work_done += work
            self._progress(self._work_done / self._work)
            yield output


def _gathered(activations: Iterable[Tensor]) -> tuple[deque[Tensor], InputNorms]:
    """The activations of all sequences, and the norms of their features."""
    gathered, norms = deque[Tensor](), InputNorms()
    for activation in activations:
        norms.add(activation)
        gathered.append(activation)
    return gathered, norms


def _consumed(activations: deque[Tensor]) -> Iterator[Tensor]:
    """Each of the activations, whose memory is free again once the next is asked for."""
    while activations:
        yield activations.popleft()


def _weights(file: ModelFile, name: str) -> int:
    rows, columns = file.tensor(name).shape
    return rows * columns


def memory_needed(file: ModelFile, sequences: int, sequence_length: int) -> int:
    """Bytes that `prune_blocks` holds at its peak, beside the program itself: activations and one block's weights.

    Raises:
        CheckpointError: the architecture is not supported, or the metadata is incomplete.
    """
    arguments = architecture_of(file).config_arguments(file)
    width, intermediate = arguments["hidden_size"], arguments["intermediate_size"]
    activations = sequences * sequence_length * (width + max(width, intermediate)) * _FLOAT_BYTES
    block = sum(_weights(file, matrix.weight_name(0)) for matrix in architecture_of(file).matrices) * _FLOAT_BYTES
    # Scores and mask of the widest matrix, and one sequence's gate and up activations, come on top.
    return int(activations + 2 * block + 4 * sequence_length * intermediate * _FLOAT_BYTES)
