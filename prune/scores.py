"""How much each weight of a matrix is worth: magnitude, Wanda, and RIA.

Pure functions of tensors; `prune.driver` decides what they see, `prune.masks` what follows from them.
"""

import torch
from torch import Tensor

from prune.options import Score

# Section 3.2 of RIA: how much the activations count.
_RIA_POWER = 0.5


class InputNorms:
    """The L2 norm of each input feature over all calibration tokens seen: `||X_j||_2` of Wanda's section 3."""

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


def scores_of(weight: Tensor, norms: Tensor, score: Score) -> Tensor:
    """The scores of a matrix by the method of this name; shape (outputs, inputs), as `weight`."""
    if score == "magnitude":
        return weight.abs()
    return wanda_scores(weight, norms) if score == "wanda" else ria_scores(weight, norms)


def wanda_scores(weight: Tensor, norms: Tensor) -> Tensor:
    """`|W_ij| * ||X_j||_2` (Sun et al., arXiv 2306.11695, equation 1); `norms` has shape (inputs,)."""
    return weight.abs() * norms


def ria_scores(weight: Tensor, norms: Tensor) -> Tensor:
    """`(|W_ij| / sum of row i + |W_ij| / sum of column j) * ||X_j||_2 ^ 0.5` (Zhang et al., ICLR 2024, equation 5).

    Relative importance and activations: a weight is worth what it is to its own output and to its own input.
    """
    magnitudes = weight.abs()
    least = torch.finfo(weight.dtype).tiny  # a row or column of zeros is worth nothing, not NaN
    rows = magnitudes.sum(dim=1, keepdim=True).clamp(min=least)
    columns = magnitudes.sum(dim=0, keepdim=True).clamp(min=least)
    return (magnitudes / rows + magnitudes / columns) * norms.pow(_RIA_POWER)
