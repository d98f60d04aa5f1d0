"""Wanda: pruning by weights and activations (Sun et al., arXiv 2306.11695).

Pure functions of tensors; `prune.driver` decides what they see.
"""

import torch
from torch import Tensor


class InputNorms:
    """The L2 norm of each input feature over all calibration tokens seen: `||X_j||_2` of section 3."""

    def __init__(self) -> None:
        self._squares: Tensor | None = None

    def add(self, inputs: Tensor) -> None:
        """Takes in activations of shape (..., features)."""
        # Summed in double: over 10^5 tokens a float sum drifts, and the sum must not depend on how tokens were batched.
        flat = inputs.reshape(-1, inputs.shape[-1])
        squares = torch.linalg.vector_norm(flat, dim=0).double().square()
        self._squares = squares if self._squares is None else self._squares + squares

    def result(self) -> Tensor:
        """The norms, shape (features,), as 32-bit floats.

        Raises:
            ValueError: nothing was added.
        """
        if self._squares is None:
            raise ValueError("no activations were added")
        return self._squares.sqrt().float()


def wanda_scores(weight: Tensor, norms: Tensor) -> Tensor:
    """`|W_ij| * ||X_j||_2` (equation 1): shape (outputs, inputs), as `weight`; `norms` has shape (inputs,)."""
    return weight.abs() * norms


def pruned_per_row(weight: Tensor, sparsity: float) -> int:
    """How many weights to prune in each row for a matrix of this sparsity: `int(inputs * sparsity)`, or a few less.

    A base model that is quantised itself has zeros of its own; where some rows have more of them than they should lose,
    the others keep a little more, so that the matrix as a whole has the sparsity that was asked for.
    """
    rows, inputs = weight.shape
    pruned = int(inputs * sparsity)
    wanted = rows * pruned
    zeros = inputs - weight.count_nonzero(dim=1)
    # One weight a row more or less moves the whole by up to `rows`: half of that is as near as it gets.
    while pruned > 0 and int(zeros.clamp(min=pruned).sum()) - wanted > rows // 2:
        pruned -= 1
    return pruned


def unstructured_mask(scores: Tensor, pruned: int) -> Tensor:
    """Which weights survive, compared within each output row (section 3): True for kept, shape as `scores`.

    Every row loses exactly `pruned` weights, those of the lowest score; of equal scores the first goes, so the mask is
    the same on every run.
    """
    if pruned == 0:
        return torch.ones_like(scores, dtype=torch.bool)
    threshold = scores.kthvalue(pruned, dim=1, keepdim=True).values
    kept = scores > threshold
    # Ties at the threshold are rare, and dear to resolve: only the rows that have them pay.
    to_keep = scores.shape[1] - pruned
    tied_rows = (kept.sum(dim=1) < to_keep).nonzero().squeeze(1)
    if tied_rows.numel():
        tied = scores[tied_rows] == threshold[tied_rows]
        ties_to_keep = to_keep - kept[tied_rows].sum(dim=1, keepdim=True)
        kept[tied_rows] |= tied & (tied.flip(1).cumsum(dim=1).flip(1) <= ties_to_keep)
    return kept
