"""Adam in pieces: the paper's formula on weights that survive, zeros where they were."""

import numpy as np
import pytest
import torch
from torch import nn

from prune import adam
from prune.adam import Adam
from prune.errors import CheckpointError

SHAPE = (5, 9)
RANDOM = np.random.default_rng(3)


def weights_with_zeros() -> nn.Parameter:
    values = RANDOM.normal(size=SHAPE).astype(np.float32)
    values[RANDOM.random(SHAPE) < 0.5] = 0.0
    return nn.Parameter(torch.from_numpy(values))


def rounded(values: np.ndarray) -> np.ndarray:
    """As 16-bit floats keep them."""
    return torch.from_numpy(values.astype(np.float32)).bfloat16().double().numpy()


def by_the_paper(start: np.ndarray, gradients: list[np.ndarray], rates: list[float]) -> np.ndarray:
    """Algorithm 1 of arXiv 1412.6980, with moments kept as 16-bit floats from step to step."""
    weight = start.astype(np.float64)
    first = second = np.zeros_like(weight)
    for step, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        surviving = np.where(start == 0, 0.0, gradient)
        mean, square = 0.9 * first + 0.1 * surviving, 0.95 * second + 0.05 * surviving**2
        first, second = rounded(mean), rounded(square)
        weight = weight - rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.95**step)) + 1e-12)
    return weight


@pytest.mark.parametrize("piece", [1, 7, 45, 1000])
def test_it_is_the_papers_on_what_survives(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(adam, "_PIECE", piece)
    weight = weights_with_zeros()
    start = weight.detach().numpy().copy()
    gradients = [RANDOM.normal(size=SHAPE) for _ in range(6)]
    rates = [0.01, 0.02, 0.02, 0.01, 0.005, 0.001]
    optimiser = Adam({"blk.0.attn_q.weight": weight})
    for gradient, rate in zip(gradients, rates, strict=True):
        optimiser.step += 1
        optimiser.rate = rate
        torch.autograd.backward((weight * torch.from_numpy(gradient.astype(np.float32))).sum())
    found = weight.detach().numpy()
    np.testing.assert_allclose(found, by_the_paper(start, gradients, rates), rtol=1e-4, atol=2e-4)
    assert ((found == 0) == (start == 0)).all()
    assert weight.grad is None


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_gradients_that_are_not_finite_are_refused_by_the_matrix_name(bad: float) -> None:
    weight = weights_with_zeros()
    gradient = np.ones(SHAPE, dtype=np.float32)
    gradient[3, 4] = bad
    optimiser = Adam({"blk.7.ffn_up.weight": weight})
    optimiser.step = 1
    with pytest.raises(CheckpointError, match=r"blk\.7\.ffn_up\.weight"):
        torch.autograd.backward((weight * torch.from_numpy(gradient)).sum())
