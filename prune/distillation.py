"""Training what survives of a pruned model to predict as the dense one does, with the masks fixed.

The loss is the Kullback-Leibler divergence of the pruned model's next-token distribution from the dense model's
(Hinton et al., arXiv 1503.02531), on the calibration tokens: no labels, so that little text goes a long way. Errors of
one layer are made up for by those after it, which no reconstruction of single layers or blocks can do.

Distributions are over the tokens that the calibration set uses and the most common ones besides. Over the former alone
the training says nothing of all others, and a model that is better on text like the calibration set's may come out
worse than an untrained one on other text in the same language (docs/pruning.md).
"""

import math
from collections.abc import Callable, Iterator
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
from prune.weights import read_rows, read_tensor

_WARMUP_STEPS = 4
# The weight as a 32-bit float, and as 16-bit ones its two moments and the copy for the backward pass.
_BYTES_A_WEIGHT = 10
# Byte-level BPE numbers its tokens as they were merged, the most common first.
_COMMON_TOKENS = 32_768
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
        self._loader = loader
        for index in range(loader.count):
            block = loader.load(index)
            for matrix in loader.architecture.matrices:
                parameter = block.linear(matrix).weight
                assert isinstance(parameter, nn.Parameter)
                parameter.data = pruned(index, matrix, parameter.data)
                parameter.requires_grad_(True)
                self.weights[matrix.weight_name(index)] = parameter
            self.blocks.append(block)

    def hidden(self, tokens: npt.NDArray[np.int32]) -> Tensor:
        """The hidden states after the last block for one sequence, shape (tokens, width)."""
        hidden = self._loader.embed(tokens)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=_has_bfloat16()):
            for block in self.blocks:
                hidden = block.dense(hidden)
        return hidden.float()


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
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=_has_bfloat16()):
            logits: Tensor = nn.functional.linear(normed, self._rows)
        return logits.float()


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a student learns from.

    Attributes:
        tokens: the calibration set, shape (sequences, tokens a sequence).
        teacher: the dense model's hidden states after its last block, shape (sequences, tokens, width).
        output: the end that both models share.
    """

    tokens: npt.NDArray[np.int32]
    teacher: Tensor
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
        lessons: what it learns from; each step takes one sequence.
        training: for how long, and how fast.
        progress: told the fraction of the work done, from 0 to 1.
        checkpoint: where the state is kept now and then, and an earlier run's is found.

    Raises:
        CheckpointError: gradients are not finite.
    """
    tokens, teacher = lessons.tokens, lessons.teacher
    steps = max(1, training.tokens // tokens.shape[1])
    adam = Adam(student.weights)
    if checkpoint is not None:
        adam.step, state = checkpoint.training()
        for name, kept in (state or {}).items():
            (student.weights | adam.state())[name].data.copy_(kept)
    every = max(1, math.ceil(steps / _CHECKPOINTS))
    for sequence in _order(len(tokens), adam.step, steps):
        progress(adam.step / steps)
        adam.step += 1
        adam.rate = rate_at(adam.step, steps, training.rate)
        hidden = student.hidden(tokens[sequence])
        torch.autograd.backward(hidden, _gradient(lessons.output, hidden.detach(), teacher[sequence]))
        if checkpoint is not None and adam.step % every == 0 and adam.step < steps:
            weights = {name: weight.detach() for name, weight in student.weights.items()}
            checkpoint.save_training(adam.step, weights | adam.state())
    progress(1.0)


def distillation_memory(file: ModelFile, sequence_length: int) -> int:
    """Bytes that training holds at its peak: weights, moments, one sequence's activations, and the output matrix."""
    architecture = architecture_of(file)
    arguments = architecture.config_arguments(file)
    blocks = arguments["num_hidden_layers"]
    names = [matrix.weight_name(block) for block in range(blocks) for matrix in architecture.matrices]
    weights = sum(math.prod(file.tensor(name).shape) for name in names)
    activations = blocks * sequence_length * (10 * arguments["hidden_size"] + 5 * arguments["intermediate_size"])
    common = min(_COMMON_TOKENS, file.tensor("token_embd.weight").shape[0])
    output = common * (arguments["hidden_size"] + _COPIES_OF_LOGITS * _POSITIONS)
    return int(_BYTES_A_WEIGHT * weights + 4 * (activations + output))


def _gradient(output: Output, hidden: Tensor, teacher: Tensor) -> Tensor:
    """The gradient of the mean divergence by the student's hidden states, a few positions at a time."""
    leaf = hidden.requires_grad_(True)
    for start in range(0, len(leaf), _POSITIONS):
        part = slice(start, start + _POSITIONS)
        with torch.no_grad():
            wanted = output.logits(teacher[part]).log_softmax(dim=-1)
        given = output.logits(leaf[part]).log_softmax(dim=-1)
        divergence = nn.functional.kl_div(given, wanted, reduction="sum", log_target=True)
        torch.autograd.backward(divergence / len(leaf))
    assert leaf.grad is not None
    return leaf.grad


def _order(sequences: int, done: int, steps: int) -> Iterator[int]:
    """The sequence of each step that is still to be done: all of them in an order of its own, then in another."""
    for step in range(done, steps):
        epoch, place = divmod(step, sequences)
        yield int(np.random.default_rng(epoch).permutation(sequences)[place])


def _has_bfloat16() -> bool:
    """Whether this processor multiplies 16-bit floats; where it does not, they would be slower than 32-bit ones."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"))
