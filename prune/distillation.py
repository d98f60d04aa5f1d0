"""Training what survives of a pruned model to compute as the dense one does, with the masks fixed.

The loss is the Kullback-Leibler divergence of the pruned model's next-token distribution from the dense model's
(Hinton et al., arXiv 1503.02531), and the distance of its hidden states after each block from the dense model's, by
their length (Kurtic et al., "Sparse fine-tuning", arXiv 2310.06927, there over all positions at once: here
position by position, as the first of a text has states a thousand times as long as the rest). No labels, so that little
text goes a long way. Errors of one layer are made up for by those after it, which no reconstruction of single layers or
blocks can do, though weights that were solved before (prune.least_squares) are a better start on text of
the same kind. The hidden states say what to do on text of other kinds too, of which the predictions alone say nothing
(docs/pruning.md).

Distributions are over the tokens that the calibration set uses and the most common ones besides. Over the former alone
the training says nothing of all others, and a model that is better on text like the calibration set's may come out
worse than an untrained one on other text in the same language (docs/pruning.md).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from prune.adam import Adam
from prune.architectures import Matrix, ModelFile, architecture_of
from prune.blocks import Block, BlockLoader
from prune.checkpoint import Checkpoint
from prune.options import Distillation
from prune.precision import has_bfloat16, multiplied_as
from prune.weights import read_rows, read_tensor

_WARMUP_STEPS = 4
# What the hidden states count beside the predictions.
_HIDDEN_WEIGHT = 3.0
# The weight as a 32-bit float, and as 16-bit ones its two moments and the copy for the backward pass.
_BYTES_A_WEIGHT = 10
# Byte-level BPE numbers its tokens as they were merged, the most common first.
_COMMON_TOKENS = 32_768
# Of hidden states, so that none is divided by nothing.
_LEAST_LENGTH = 1e-12
# Positions whose distributions are in memory at a time.
_POSITIONS = 256
_COPIES_OF_LOGITS = 6
# A checkpoint is written so many times while training: each is several times as large as the model.
_CHECKPOINTS = 8

Progress = Callable[[float], None]
Masks = dict[str, Tensor]


class Student:
    """The whole pruned model, its matrices in memory as 32-bit floats that can be trained."""

    def __init__(self, loader: BlockLoader, pruned: Callable[[int, Matrix, Tensor], Tensor]) -> None:
        """Loads all blocks; `pruned` gives the pruned form of a dense matrix of a block."""
        self.blocks: list[Block] = []
        self.weights: dict[str, nn.Parameter] = {}
        for index in range(loader.count):
            block = loader.load(index)
            for matrix in loader.architecture.matrices:
                parameter = block.linear(matrix).weight
                assert isinstance(parameter, nn.Parameter)
                parameter.data = pruned(index, matrix, parameter.data)
                parameter.requires_grad_(True)
                self.weights[matrix.weight_name(index)] = parameter
            self.blocks.append(block)


class Teacher:
    """The whole dense model, its matrices in memory as the processor multiplies them."""

    def __init__(self, loader: BlockLoader) -> None:
        """Loads all blocks; the loader is for this alone."""
        self.blocks: list[Block] = []
        for index in range(loader.count):
            block = loader.load(index)
            for matrix in loader.architecture.matrices:
                weight = block.linear(matrix).weight
                weight.data = weight.data.to(multiplied_as())
            self.blocks.append(block)


class OutputNorm:
    """The last norm of a model: from hidden states after the last block to the inputs of the output matrix."""

    def __init__(self, file: ModelFile) -> None:
        """Reads its weights."""
        self._norm = torch.from_numpy(read_tensor(file, "output_norm.weight"))
        self._epsilon = float(file.value(f"{file.architecture}.attention.layer_norm_rms_epsilon"))

    def __call__(self, hidden: Tensor) -> Tensor:
        return nn.functional.rms_norm(hidden, (hidden.shape[-1],), self._norm, self._epsilon)


class Output:
    """The end of a model: from hidden states to the distribution over common tokens and those of a calibration set."""

    def __init__(self, loader: BlockLoader, tokens: npt.NDArray[np.int32]) -> None:
        """Reads the last norm, and the rows of the output matrix for those tokens."""
        file = loader.file
        self._norm = OutputNorm(file)
        name = "output.weight" if "output.weight" in file.tensors else "token_embd.weight"
        common = np.arange(min(_COMMON_TOKENS, file.tensor(name).shape[0]))
        self._rows = torch.from_numpy(read_rows(file, name, np.union1d(tokens, common)))

    def logits(self, hidden: Tensor) -> Tensor:
        """The logits of those tokens, shape (positions, tokens), from hidden states after the last block."""
        normed = self._norm(hidden)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bfloat16()):
            logits: Tensor = nn.functional.linear(normed, self._rows)
        return logits.float()


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a student learns from.

    Attributes:
        tokens: the calibration set, shape (sequences, tokens a sequence).
        embed: gives the hidden states that enter the first block, shape (sequences, tokens, width).
        teacher: the dense model.
        output: the end that both models share.
    """

    tokens: npt.NDArray[np.int32]
    embed: Callable[[npt.NDArray[np.int32]], Tensor]
    teacher: Teacher
    output: Output


def rate_at(step: int, steps: int, highest: float) -> float:
    """The learning rate of a step, the first being 1: a short linear rise, then half a cosine down to nothing."""
    rise = min(1.0, step / _WARMUP_STEPS)
    return highest * rise * 0.5 * (1 + math.cos(math.pi * step / (steps + 1)))


def distil(
    student: Student,
    lessons: Lessons,
    training: Distillation,
    progress: Progress = lambda fraction: None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Trains the student's weights in place; what is zero stays exactly zero.

    Args:
        student: the pruned model.
        lessons: what it learns from.
        training: for how long, and how fast.
        progress: told the fraction of the work done, from 0 to 1.
        checkpoint: where the state is kept now and then, and an earlier run's is found.

    Raises:
        CheckpointError: gradients are not finite.
    """
    tokens = lessons.tokens
    batch = training.batch(tokens.shape[1])
    steps = max(1, training.tokens // (batch * tokens.shape[1]))
    adam = Adam(student.weights)
    if checkpoint is not None:
        adam.step, state = checkpoint.training()
        for name, kept in (state or {}).items():
            (student.weights | adam.state())[name].data.copy_(kept)
    every = max(1, math.ceil(steps / _CHECKPOINTS))
    for step in range(adam.step, steps):
        progress(step / steps)
        adam.step = step + 1
        adam.rate = rate_at(adam.step, steps, training.highest_rate(tokens.shape[1]))
        _learn(student, lessons, tokens[_sequences_of(step, batch, len(tokens))])
        if checkpoint is not None and adam.step % every == 0 and adam.step < steps:
            weights = {name: weight.detach() for name, weight in student.weights.items()}
            checkpoint.save_training(adam.step, weights | adam.state())
    progress(1.0)


def hidden_distance(given: Tensor, wanted: Tensor) -> Tensor:
    """The squared distance of hidden states from those wanted, by the latter's squared length; the positions' mean."""
    given, wanted = given.float(), wanted.float()
    return ((given - wanted).square().sum(-1) / wanted.square().sum(-1).clamp_min(_LEAST_LENGTH)).mean()


def distillation_memory(file: ModelFile, training: Distillation, sequence_length: int) -> int:
    """Bytes that training holds at its peak: both models, moments, a step's activations, and the output matrix."""
    architecture = architecture_of(file)
    arguments = architecture.config_arguments(file)
    blocks = arguments["num_hidden_layers"]
    names = [matrix.weight_name(block) for block in range(blocks) for matrix in architecture.matrices]
    weights = sum(math.prod(file.tensor(name).shape) for name in names)
    positions = training.batch(sequence_length) * sequence_length
    activations = blocks * positions * (10 * arguments["hidden_size"] + 5 * arguments["intermediate_size"])
    common = min(_COMMON_TOKENS, file.tensor("token_embd.weight").shape[0])
    output = common * (arguments["hidden_size"] + _COPIES_OF_LOGITS * _POSITIONS)
    return int((_BYTES_A_WEIGHT + multiplied_as().itemsize) * weights + 4 * (activations + output))


def _learn(student: Student, lessons: Lessons, tokens: npt.NDArray[np.int32]) -> None:
    """One step, on sequences of shape (sequences, tokens)."""
    given = wanted = lessons.embed(tokens)
    distance = torch.zeros(())
    for mine, dense in zip(student.blocks, lessons.teacher.blocks, strict=True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bfloat16()):
            given = mine.dense(given)
            with torch.no_grad():
                wanted = dense.dense(wanted)
        distance = distance + hidden_distance(given, wanted)
    gradient = _gradient(lessons.output, given.detach(), wanted)
    loss = distance * (_HIDDEN_WEIGHT / len(student.blocks))
    torch.autograd.backward((given, loss), (gradient, torch.ones(())))


def _gradient(output: Output, given: Tensor, wanted: Tensor) -> Tensor:
    """The gradient of the mean divergence by the student's hidden states, a few positions at a time."""
    leaf = given.flatten(0, 1).float().requires_grad_(True)
    for mine, dense in zip(torch.split(leaf, _POSITIONS), torch.split(wanted.flatten(0, 1), _POSITIONS), strict=True):
        with torch.no_grad():
            likely = output.logits(dense.float()).log_softmax(dim=-1)
        found = output.logits(mine).log_softmax(dim=-1)
        divergence = nn.functional.kl_div(found, likely, reduction="sum", log_target=True)
        torch.autograd.backward(divergence / len(leaf))
    assert leaf.grad is not None
    return leaf.grad.reshape(given.shape).to(given.dtype)


def _sequences_of(step: int, batch: int, sequences: int) -> npt.NDArray[np.intp]:
    """Which sequences a step takes, the first being 0: all of them in an order of its own, then in another."""
    places = np.arange(step * batch, (step + 1) * batch)
    orders = {epoch: np.random.default_rng(epoch).permutation(sequences) for epoch in set(places // sequences)}
    return np.array([orders[place // sequences][place % sequences] for place in places])
