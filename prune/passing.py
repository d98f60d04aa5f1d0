"""One pass through a model that prunes each matrix as soon as its inputs are known.

Every matrix is multiplied once: the pass costs one dense forward pass over the calibration tokens, and memory for one
block and two sets of activations, whatever the depth. It goes on through the pruned matrices, so that each sees what
the pruned model before it computes; or, where what survives is trained after, through the dense ones, so that it ends
with what the dense model computes, for the training to learn from.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from prune.allocation import block_sparsities
from prune.architectures import Matrix, ModelFile
from prune.blocks import Block, BlockLoader
from prune.checkpoint import Checkpoint
from prune.errors import CheckpointError
from prune.least_squares import InputGram, least_squares
from prune.masks import n_of_m_mask, pruned_per_row, unstructured_mask
from prune.options import PruneOptions
from prune.output_error import InputSample, relative_error
from prune.precision import multiplied_as
from prune.scores import InputNorms, scores_of

Progress = Callable[[float], None]

_MASK, _VALUES, _IMPORTANCE, _ERROR, _INPUTS = "mask", "values", "importance", "error", "inputs"


@dataclass(frozen=True, slots=True)
class Pruned:
    """A matrix of a block once it is pruned.

    Attributes:
        matrix: which.
        weight: its weights in transformers' row order, shape (outputs, inputs).
        importance: the mean squared activation of each input over the calibration set, shape (inputs,).
        error: the relative squared error of its outputs (prune.output_error), on `inputs`.
        inputs: a sample of what it reads, shape (positions, inputs).
    """

    matrix: Matrix
    weight: Tensor
    importance: Tensor
    error: float
    inputs: Tensor


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What is known of the inputs that some matrices share: norms, the Gram matrix where it is of use, some of them."""

    norms: InputNorms
    gram: InputGram | None
    sample: InputSample

    def add(self, activation: Tensor) -> None:
        """Takes in the activations of one sequence, shape (tokens, features)."""
        self.norms.add(activation)
        self.sample.add(activation)
        if self.gram is not None:
            self.gram.add(activation)


class MaskPass:
    """The state of one pass: hidden states of all sequences, and the work done so far."""

    def __init__(
        self,
        loader: BlockLoader,
        tokens: npt.NDArray[np.int32],
        options: PruneOptions,
        progress: Progress,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Embeds the tokens, or takes up what the checkpoint kept."""
        self._loader = loader
        self._options = options
        self._sparsities = block_sparsities(loader, tokens, options)
        self._progress = progress
        self._checkpoint = checkpoint
        self._done, hidden = checkpoint.blocks() if checkpoint is not None else (0, None)
        self.hidden = loader.embed(tokens) if hidden is None else hidden
        self._work = len(tokens) * sum(self._block_work(index) for index in range(loader.count))
        self._work_done = len(tokens) * sum(self._block_work(index) for index in range(self._done))

    @torch.inference_mode()  # as a decorator, it is off while the caller has a matrix
    def run(self) -> Iterator[tuple[int, Pruned]]:
        """Each pruned matrix with the index of its block.

        `hidden` holds the hidden states after the last block at the end, shape (sequences, tokens, width).
        """
        self._progress(self._work_done / self._work)
        for index in range(self._loader.count):
            block = self._loader.load(index)
            if index < self._done:
                yield from ((index, pruned) for pruned in self._again(index, block))
            else:
                kept: dict[str, Tensor] = {}
                for pruned in self._block(index, block):
                    if self._checkpoint is not None:
                        parts = self._kept(pruned)
                        kept |= {f"{pruned.matrix.gguf_name} {part}": tensor for part, tensor in parts.items()}
                    yield index, pruned
                if self._checkpoint is not None:
                    self._checkpoint.save_block(index, kept, self.hidden)
            self._loader.unload(index)

    def _kept(self, pruned: Pruned) -> dict[str, Tensor]:
        """What a checkpoint has of a matrix; what some matrices share, each has of its own."""
        return survivors_of(pruned.weight, values=self._options.least_squares) | {
            _IMPORTANCE: pruned.importance.clone(),
            _ERROR: torch.tensor(pruned.error, dtype=torch.float64),
            _INPUTS: pruned.inputs.clone(),
        }

    def _again(self, index: int, block: Block) -> Iterator[Pruned]:
        """The pruned matrices of a block that an earlier run has done."""
        assert self._checkpoint is not None
        kept = self._checkpoint.block(index)
        for matrix in self._loader.architecture.matrices:
            own = f"{matrix.gguf_name} "
            parts = {name.removeprefix(own): tensor for name, tensor in kept.items() if name.startswith(own)}
            weight = pruned_from(parts, block.linear(matrix).weight)
            yield Pruned(matrix, weight, parts[_IMPORTANCE], float(parts[_ERROR]), parts[_INPUTS])

    def _block(self, index: int, block: Block) -> Iterator[Pruned]:
        stages = self._loader.architecture

        inputs, seen = self._gathered(map(block.attention_input, self.hidden), self._gram())
        yield from self._prune(index, block, stages.attention_input, seen)
        outputs = map(block.attention_context, _consumed(inputs))
        contexts, seen = self._gathered(self._counted(outputs, index, stages.attention_input), self._gram())
        yield from self._prune(index, block, (stages.attention_output,), seen)
        self._add_to_hidden(map(block.linear(stages.attention_output), _consumed(contexts)))

        inputs, seen = self._gathered(map(block.mlp_input, self.hidden), self._gram())
        yield from self._prune(index, block, stages.mlp_input, seen)
        outputs = map(block.mlp_activation, _consumed(inputs))
        counted = self._counted(outputs, index, (stages.attention_output, *stages.mlp_input))
        activations, seen = self._gathered(counted, self._mlp_output_gram())
        yield from self._prune(index, block, (stages.mlp_output,), seen)
        outputs = map(block.linear(stages.mlp_output), _consumed(activations))
        self._add_to_hidden(self._counted(outputs, index, (stages.mlp_output,)))

    def _gathered(self, activations: Iterable[Tensor], gram: InputGram | None) -> tuple[deque[Tensor], _Inputs]:
        """The activations of all sequences, and what is to be known of them."""
        gathered = deque[Tensor]()
        inputs = _Inputs(InputNorms(), gram, InputSample(self.hidden[..., 0].numel()))
        for activation in activations:
            inputs.add(activation)
            gathered.append(activation)
        return gathered, inputs

    def _gram(self) -> InputGram | None:
        return InputGram() if self._options.least_squares else None

    def _mlp_output_gram(self) -> InputGram | None:
        """That of many inputs, which costs more than all the rest of the pass, if less than training."""
        if self._options.distillation is None or not self._options.least_squares:
            return None
        return InputGram(multiplied_as())

    def _add_to_hidden(self, updates: Iterable[Tensor]) -> None:
        for hidden, update in zip(self.hidden, updates, strict=True):
            hidden.add_(update)

    def _prune(self, index: int, block: Block, matrices: tuple[Matrix, ...], inputs: _Inputs) -> Iterator[Pruned]:
        norms, sample = inputs.norms.result(), inputs.sample.result()
        importance = norms.square() / self.hidden[..., 0].numel()
        for matrix in matrices:
            weight = block.linear(matrix).weight
            # Zeros of the base's own count as pruned, so they stay zeros.
            mask = self._mask(index, matrix, weight, norms) & (weight != 0)
            gram = inputs.gram
            pruned = weight.masked_fill(~mask, 0.0) if gram is None else least_squares(weight, mask, gram.result())
            error = relative_error(weight, pruned, sample)
            if self._options.distillation is None:
                weight.copy_(pruned)
            yield Pruned(matrix, pruned, importance, error, sample)

    def _mask(self, index: int, matrix: Matrix, weight: Tensor, norms: Tensor) -> Tensor:
        options = self._options
        scores = scores_of(weight, norms, options.score)
        if not (torch.isfinite(scores).all() and torch.isfinite(norms).all()):
            raise CheckpointError(
                f"The weights or inputs of {matrix.weight_name(index)!r} in {self._loader.file.path} are not finite "
                "numbers: the base model is damaged; remove it and fetch it again."
            )
        if options.pattern is not None:
            return n_of_m_mask(scores, options.pattern)
        return unstructured_mask(scores, pruned_per_row(weight, self._sparsities[index]))

    def _counted(self, outputs: Iterable[Tensor], index: int, matrices: tuple[Matrix, ...]) -> Iterator[Tensor]:
        """Passes a sequence's outputs on, and tells of the work done for each.

        Work is counted in weights multiplied, so that the time left is a straight line.
        """
        work = sum(weights_in(self._loader.file, matrix.weight_name(index)) for matrix in matrices)
        for output in outputs:
            self._work_done += work
            self._progress(self._work_done / self._work)
            yield output

    def _block_work(self, index: int) -> int:
        names = (matrix.weight_name(index) for matrix in self._loader.architecture.matrices)
        return sum(weights_in(self._loader.file, name) for name in names)


def survivors_of(pruned: Tensor, *, values: bool) -> dict[str, Tensor]:
    """What is to be kept of a pruned matrix: its mask, eight bits a byte, and values where they are not the base's."""
    mask = pruned != 0
    bits = {_MASK: torch.from_numpy(np.packbits(mask.numpy()))}
    return bits | {_VALUES: pruned[mask]} if values else bits


def pruned_from(survivors: dict[str, Tensor], dense: Tensor) -> Tensor:
    """The pruned matrix of which `survivors_of` was kept, made of the dense one."""
    bits = np.unpackbits(survivors[_MASK].numpy(), count=dense.numel())
    mask = torch.from_numpy(bits.astype(np.bool_)).reshape(dense.shape)
    if _VALUES not in survivors:
        return dense.masked_fill(~mask, 0.0)
    return torch.zeros_like(dense).masked_scatter_(mask, survivors[_VALUES])


def _consumed(activations: deque[Tensor]) -> Iterator[Tensor]:
    """Each of the activations, whose memory is free again once the next is asked for."""
    while activations:
        yield activations.popleft()


def weights_in(file: ModelFile, name: str) -> int:
    """How many weights a matrix of the file has."""
    rows, columns = file.tensor(name).shape
    return rows * columns
