"""How far a pruned matrix's outputs are from the dense one's, on a sample of the inputs that calibration gives it."""

import torch
from torch import Tensor

# Positions of the calibration set whose inputs are kept for it: two products with so few cost next to nothing.
_POSITIONS = 128


class InputSample:
    """Inputs at positions spread evenly over the calibration set."""

    def __init__(self, positions: int) -> None:
        """`positions` are those of the whole set, sequence after sequence."""
        self._every = max(1, positions // _POSITIONS)
        self._seen = 0
        self._parts: list[Tensor] = []

    def add(self, inputs: Tensor) -> None:
        """Takes in the activations of the next positions, shape (tokens, features)."""
        first = -self._seen % self._every
        self._parts.append(inputs[first :: self._every].to(torch.bfloat16))
        self._seen += len(inputs)

    def result(self) -> Tensor:
        """The sample, shape (positions, features), as 16-bit floats."""
        return torch.cat(self._parts)


def relative_error(dense: Tensor, pruned: Tensor, inputs: Tensor) -> float:
    """`||(W - W') X||^2 / ||W X||^2`: 0 for equal matrices, 1 for one of zeros; 0 where the dense outputs are zero.

    Args:
        dense: shape (outputs, features), its rows in any order.
        pruned: of the same shape and order.
        inputs: shape (positions, features).
    """
    positions = inputs.float()
    wanted = (positions @ dense.T).square().sum()
    missed = (positions @ (dense - pruned).T).square().sum()
    return float(missed / wanted) if wanted > 0 else 0.0
