"""From a base model and calibration tokens to pruned matrices: the pass that finds masks, then training, if asked for.

`prune_blocks` is the door; it can be killed at any moment, and goes on from its last checkpoint when called again.
"""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from prune.architectures import ModelFile, architecture_of
from prune.blocks import BlockLoader
from prune.checkpoint import Checkpoint
from prune.distillation import Lessons, Output, OutputNorm, Student, Teacher, distil, distillation_memory
from prune.errors import UsageError
from prune.options import PruneOptions, refuse_indivisible
from prune.output_error import relative_error
from prune.passing import MaskPass, pruned_from, survivors_of, weights_in
from prune.scores import InputNorms
from prune.weights import read_tensor

# Training a weight on a token costs three multiplications where a pass costs one, and the teacher's is the fourth.
_TRAINING_COST = 4
# What solving the survivors of all matrices adds to a pass, of which the Gram matrices of an MLP's last one are most.
_SOLVING_COST = 3
# Where what survives is trained, masks are found by so much of the calibration set: training makes more of the time
# that a pass over all of it would take.
_MASK_TOKENS = 16_384

Progress = Callable[[float], None]

_FLOAT_BYTES = 4
# A token's id, while the set is put together and looked at.
_TOKEN_BYTES = 16
# Raised where checkpoints come to hold something else.
_CHECKPOINT_VERSION = 3


@dataclass(frozen=True, slots=True)
class PrunedMatrix:
    """A pruned matrix.

    Attributes:
        name: of its GGUF tensor.
        values: zeros where pruned, shape (outputs, inputs), with rows in the order of the file.
        importance: what a squared error in each column counts where values are rounded, shape (inputs,): the mean
            squared activation of that input over the calibration set, in the pruned model. Where survivors are trained,
            in the dense one: that is what they learn to give again, and it is known without another pass.
        error: the relative squared error of its outputs on some of those activations (prune.output_error).
    """

    name: str
    values: npt.NDArray[np.float32]
    importance: npt.NDArray[np.float32]
    error: float


def prune_blocks(
    file: ModelFile,
    tokens: npt.NDArray[np.int32],
    options: PruneOptions,
    progress: Progress = lambda fraction: None,
    checkpoints: Path | None = None,
) -> Iterator[PrunedMatrix]:
    """The pruned form of every linear layer of a model's blocks, block by block.

    Embeddings, norms, biases and the output matrix are not touched.

    Args:
        file: the base model.
        tokens: calibration set, shape (sequences, tokens a sequence), without padding.
        options: how to prune.
        progress: told the fraction of the work done, from 0 to 1.
        checkpoints: a folder for what a later call with the same arguments goes on from; none is kept without it.

    Raises:
        CheckpointError: the model's architecture is not supported, or its weights give activations that are not finite.
        UsageError: the calibration set is empty, or a matrix cannot have the pattern.
    """
    if tokens.ndim != 2 or not tokens.size:
        raise UsageError("The calibration set holds no whole sequence; give more calibration text.")
    refuse_indivisible(file, prunable_tensors(file), options.pattern)
    checkpoint = Checkpoint(checkpoints, _key(file, tokens, options)) if checkpoints is not None else None
    training = options.distillation
    seen_first = _for_masks(tokens, options)
    share = 1.0
    if training is not None:
        passing = seen_first.size * (1 + _SOLVING_COST * options.least_squares)
        share = passing / (passing + _TRAINING_COST * training.tokens)
    loader = BlockLoader(file, sequence_length=tokens.shape[1])
    masks = MaskPass(loader, seen_first, options, lambda fraction: progress(share * fraction), checkpoint)
    if training is None:
        for index, pruned in masks.run():
            values = loader.in_file_order(pruned.matrix, pruned.weight)
            yield PrunedMatrix(pruned.matrix.weight_name(index), values, pruned.importance.numpy(), pruned.error)
        return
    kept: dict[str, dict[str, Tensor]] = {}
    seen: dict[str, tuple[npt.NDArray[np.float32], Tensor]] = {}
    for index, pruned in masks.run():
        name = pruned.matrix.weight_name(index)
        kept[name] = survivors_of(pruned.weight, values=options.least_squares)
        seen[name] = (pruned.importance.numpy(), pruned.inputs)
    student = Student(loader, lambda index, matrix, dense: pruned_from(kept.pop(matrix.weight_name(index)), dense))
    teacher = Teacher(BlockLoader(file, sequence_length=tokens.shape[1]))
    lessons = Lessons(tokens, loader.embed, teacher, Output(loader, tokens))
    distil(student, lessons, training, lambda fraction: progress(share + (1 - share) * fraction), checkpoint)
    for index in range(loader.count):
        for matrix in loader.architecture.matrices:
            name = matrix.weight_name(index)
            values = loader.in_file_order(matrix, student.weights[name].detach())
            importance, inputs = seen.pop(name)
            error = relative_error(torch.from_numpy(read_tensor(file, name)), torch.from_numpy(values), inputs)
            yield PrunedMatrix(name, values, importance, error)


def output_importance(
    file: ModelFile, tokens: npt.NDArray[np.int32], options: PruneOptions, checkpoints: Path
) -> npt.NDArray[np.float32]:
    """The mean squared activation of each input of the output matrix, shape (width,), as `PrunedMatrix.importance`.

    It is told by the hidden states that `prune_blocks`, called with the same arguments, has left in `checkpoints` once
    it has given all matrices.

    Raises:
        ValueError: it has not, or was called with others.
    """
    done, hidden = Checkpoint(checkpoints, _key(file, tokens, options)).blocks()
    if hidden is None or done * len(architecture_of(file).matrices) < len(prunable_tensors(file)):
        raise ValueError(f"{checkpoints} does not hold the end of such a run")
    norm, norms = OutputNorm(file), InputNorms()
    for sequence in hidden:
        norms.add(norm(sequence))
    importance: npt.NDArray[np.float32] = (norms.result().square() / hidden[..., 0].numel()).numpy()
    return importance


def prunable_tensors(file: ModelFile) -> list[str]:
    """The names of the tensors that `prune_blocks` gives, in its order.

    Raises:
        CheckpointError: the architecture is not supported, or a tensor is missing.
    """
    architecture = architecture_of(file)
    blocks = architecture.config_arguments(file)["num_hidden_layers"]
    names = [matrix.weight_name(block) for block in range(blocks) for matrix in architecture.matrices]
    return [file.tensor(name).name for name in names]


def memory_needed(file: ModelFile, sequences: int, sequence_length: int, options: PruneOptions) -> int:
    """Bytes that `prune_blocks` holds at its peak, beside the program itself.

    That is the calibration set, activations and one block's weights; with distillation the weights of both whole models
    and what trains them, and activations of no more than the masks are found by.

    Raises:
        CheckpointError: the architecture is not supported, or the metadata is incomplete.
    """
    arguments = architecture_of(file).config_arguments(file)
    width, intermediate = arguments["hidden_size"], arguments["intermediate_size"]
    tokens = sequences * sequence_length * _TOKEN_BYTES
    if options.distillation is not None:
        sequences = min(sequences, _mask_sequences(sequence_length))
    activations = sequences * sequence_length * (width + max(width, intermediate)) * _FLOAT_BYTES
    names = prunable_tensors(file)
    block = sum(weights_in(file, name) for name in names[: len(architecture_of(file).matrices)]) * _FLOAT_BYTES
    # Scores and mask of the widest matrix, and one sequence's gate and up activations, come on top.
    passing = int(activations + 2 * block + 4 * sequence_length * intermediate * _FLOAT_BYTES)
    if options.distillation is None:
        return tokens + passing
    hidden = sequences * sequence_length * width * _FLOAT_BYTES
    training: int = hidden + distillation_memory(file, options.distillation, sequence_length)
    return tokens + max(passing, training)


def _for_masks(tokens: npt.NDArray[np.int32], options: PruneOptions) -> npt.NDArray[np.int32]:
    """The sequences that the pass sees; a calibration set has text of all kinds from its beginning."""
    return tokens if options.distillation is None else tokens[: _mask_sequences(tokens.shape[1])]


def _mask_sequences(sequence_length: int) -> int:
    return math.ceil(_MASK_TOKENS / sequence_length)


def _key(file: ModelFile, tokens: npt.NDArray[np.int32], options: PruneOptions) -> str:
    """Names what a checkpoint is of. Of the base model its header alone is looked at: all of it would take long."""
    digest = hashlib.sha256(repr((_CHECKPOINT_VERSION, options, sorted(file.tensors.items()), tokens.shape)).encode())
    digest.update(np.ascontiguousarray(tokens, dtype="<i4").tobytes())
    return digest.hexdigest()
