"""Adam (arXiv 1412.6980) on the weights that are not zero, each matrix as soon as its gradient is there.

So no more than one matrix's gradient is in memory. A step goes over a matrix in pieces that stay in the processor's
cache: over all of it at once, each of its dozen operations fetches the whole from memory again, and steps of few tokens
spend as long here as in computing gradients.
"""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from prune.errors import CheckpointError

_MOMENTUM = 0.9
_SQUARES = 0.95
_LEAST = 1e-12
# Weights at a time: a few arrays of as many 32-bit floats fit into a core's cache.
_PIECE = 1 << 17


class Adam:
    """The moments of all weights; it is told step and rate before gradients are computed.

    Attributes:
        step: the number of the step, the first being 1.
        rate: its learning rate.
    """

    def __init__(self, weights: Mapping[str, nn.Parameter]) -> None:
        """Takes over the gradients of these weights, which are updated in place; zeros among them stay zero."""
        self.step = 0
        self.rate = 0.0
        # Kept as 16-bit floats: with so little to remember, more than they hold is noise.
        self._means, self._squares = (
            {name: torch.zeros_like(weight, dtype=torch.bfloat16) for name, weight in weights.items()} for _ in range(2)
        )
        for name, weight in weights.items():
            weight.register_post_accumulate_grad_hook(partial(self._update, name))  # type: ignore[no-untyped-call]

    def state(self) -> dict[str, Tensor]:
        """Both moments, by names of their own."""
        return {f"mean {name}": mean for name, mean in self._means.items()} | {
            f"squares {name}": squares for name, squares in self._squares.items()
        }

    @torch.no_grad()
    def _update(self, name: str, weight: Tensor) -> None:
        gradient = weight.grad
        assert gradient is not None
        weight.grad = None
        arrays = (weight.data, gradient, self._means[name], self._squares[name])
        for pieces in zip(*(torch.split(array.view(-1), _PIECE) for array in arrays), strict=True):
            if not self._update_piece(*pieces):
                raise CheckpointError(
                    f"The training of {name!r} met values that are not finite numbers; "
                    "build again without distillation."
                )

    def _update_piece(self, weight: Tensor, gradient: Tensor, kept_mean: Tensor, kept_squares: Tensor) -> bool:
        """Moves neighbouring weights one step; False where their gradients are not finite."""
        # As floats: what mixes them with truth values is several times as slow.
        gradient.mul_(torch.ne(weight, 0, out=torch.empty_like(weight)))
        mean = kept_mean.float().lerp_(gradient, 1 - _MOMENTUM)
        squares = kept_squares.float().mul_(_SQUARES).addcmul_(gradient, gradient, value=1 - _SQUARES)
        kept_mean.copy_(mean)
        kept_squares.copy_(squares)
        spread = squares.div_(1 - _SQUARES**self.step).sqrt_().add_(_LEAST)
        weight.addcdiv_(mean, spread, value=-self.rate / (1 - _MOMENTUM**self.step))
        return bool(gradient.sum().isfinite())
