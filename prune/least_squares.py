"""Surviving weights solved anew, the mask fixed: the matrix's own outputs, as nearly as those weights can give them.

For each output row the least squares problem `min ||(w' - w) X||^2 + damping ||w' - w||^2` over the weights that
survive, where `X` are the inputs that the matrix gets in calibration. It needs the Gram matrix `X X^T` alone. The
target is the dense matrix's output on the same inputs, as in SparseGPT (Frantar & Alistarh, arXiv 2301.00774, section
3): a target from other inputs, those of the dense model, shrinks the weights where both differ.
"""

import torch
from torch import Tensor

# Of the mean of the diagonal. Holds the solution near the dense weights where calibration says little.
_DAMPING = 0.01
# Of the error that can be mended, six mend all but a twentieth, where twelve would cost twice as much.
_ITERATIONS = 6


class InputGram:
    """The Gram matrix of inputs over all calibration tokens seen: `X X^T`, shape (features, features)."""

    def __init__(self, multiplied_as: torch.dtype = torch.float32) -> None:
        """Activations are multiplied as that type, and added up as 32-bit floats."""
        self._multiplied_as = multiplied_as
        self._sum: Tensor | None = None

    def add(self, inputs: Tensor) -> None:
        """Takes in activations of shape (tokens, features)."""
        inputs = inputs.to(self._multiplied_as)
        gram = (inputs.T @ inputs).float()
        self._sum = gram if self._sum is None else self._sum.add_(gram)

    def result(self) -> Tensor:
        """The matrix, as 32-bit floats.

        Raises:
            ValueError: nothing was added.
        """
        if self._sum is None:
            raise ValueError("no activations were added")
        return self._sum


def least_squares(weight: Tensor, mask: Tensor, gram: Tensor, iterations: int = _ITERATIONS) -> Tensor:
    """The weights that best stand in for `weight` among those that have zeros where `mask` has.

    Conjugate gradients on all rows at once, preconditioned with the diagonal: a few multiplications by the Gram
    matrix, where a factorisation a row would take thousands of times as many operations.

    Args:
        weight: the dense matrix, shape (outputs, inputs).
        mask: True for what survives, of the same shape.
        gram: shape (inputs, inputs).
        iterations: of conjugate gradients.

    Returns:
        Shape as `weight`; exactly zero where the mask is False.
    """
    damped = gram.clone()
    damped.diagonal().add_(_DAMPING * gram.diagonal().mean())
    scale = _quotient(torch.ones(()), damped.diagonal())
    solved = weight.masked_fill(~mask, 0.0)
    residual = ((weight - solved) @ damped).mul_(mask)
    direction = residual * scale
    product = (residual * direction).sum(dim=1, keepdim=True)
    for _ in range(iterations):
        image = (direction @ damped).mul_(mask)
        step = _quotient(product, (direction * image).sum(dim=1, keepdim=True))
        solved.addcmul_(step, direction)
        residual.addcmul_(step, image, value=-1)
        conditioned = residual * scale
        following = (residual * conditioned).sum(dim=1, keepdim=True)
        direction = conditioned.addcmul_(_quotient(following, product), direction)
        product = following
    return solved


def _quotient(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Zero for rows that are solved already, where both are zero."""
    return torch.where(denominator > 0, numerator / denominator.clamp(min=torch.finfo(denominator.dtype).tiny), 0.0)
