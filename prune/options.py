"""What a pruning run does, as plain options."""

import math
from dataclasses import dataclass
from typing import Literal

from prune.architectures import ModelFile
from prune.errors import UsageError
from prune.patterns import UNSTRUCTURED, NOfM

Score = Literal["magnitude", "wanda", "ria"]
Allocation = Literal["uniform", "owl"]


# Fewer steps leave Adam too little time; more than four sequences a step save little.
_FEWEST_STEPS = 64
_MOST_SEQUENCES = 4


@dataclass(frozen=True, slots=True)
class Distillation:
    """How the surviving weights are trained once the masks are fixed.

    Attributes:
        tokens: calibration tokens learnt from in all, each sequence again once all have been seen.
        rate: the highest learning rate, where a step takes one sequence. With few and short steps Adam's are all noise
            at first, and larger ones undo more than they mend: at 1e-4 the divergence grows (docs/pruning.md).
    """

    tokens: int
    rate: float = 1.5e-5

    def batch(self, sequence_length: int) -> int:
        """Sequences a step: one, and up to four where there are steps enough, which share the time that Adam takes."""
        return min(_MOST_SEQUENCES, max(1, self.tokens // (sequence_length * _FEWEST_STEPS)))

    def highest_rate(self, sequence_length: int) -> float:
        """The learning rate at its highest: by the square root of the batch (Malladi et al., arXiv 2205.10287)."""
        return self.rate * math.sqrt(self.batch(sequence_length))


@dataclass(frozen=True, slots=True)
class PruneOptions:
    """How matrices are pruned.

    Attributes:
        sparsity: fraction of zeros; that of `pattern`, where this is N:M.
        pattern: where zeros may fall; None for anywhere in an output row.
        score: what a weight is judged by.
        allocation: the same sparsity for all blocks, or more where it does less harm (prune.allocation).
        least_squares: whether surviving weights are solved anew for their matrix's outputs; those of the matrix that
            ends a block's MLP only where they are trained after.
        distillation: the training of what survives, after that; None for none.
    """

    sparsity: float = 0.5
    pattern: NOfM | None = None
    score: Score = "wanda"
    least_squares: bool = False
    distillation: Distillation | None = None
    allocation: Allocation = "uniform"

    def __post_init__(self) -> None:
        if self.pattern is not None and self.allocation != "uniform":
            raise UsageError(
                f"The pattern {self.pattern} leaves every block the same sparsity, and the allocation "
                f"{self.allocation} gives each its own; leave the allocation out, or choose the pattern {UNSTRUCTURED}."
            )
        if self.pattern is not None and self.sparsity != self.pattern.sparsity:
            raise UsageError(
                f"{self.pattern} leaves a sparsity of {self.pattern.sparsity}, and {self.sparsity} was asked for; "
                f"leave the sparsity out, or choose the pattern {UNSTRUCTURED}."
            )


def refuse_indivisible(file: ModelFile, names: list[str], pattern: NOfM | None) -> None:
    """Makes sure that a pattern's groups divide the rows of every matrix to be pruned; looks at shapes alone.

    Raises:
        UsageError: they do not; the message names the first such matrix.
    """
    if pattern is None:
        return
    for name in names:
        inputs = file.tensor(name).shape[1]
        if inputs % pattern.group:
            raise UsageError(
                f"The pattern {pattern} does not fit {name!r} in {file.path}: groups of {pattern.group} do not divide "
                f"its {inputs} inputs; choose a smaller group, or {UNSTRUCTURED}."
            )
