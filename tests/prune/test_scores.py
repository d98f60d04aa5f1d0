"""Masks: exact counts, the lowest scores, ties resolved the same way every time."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prune.masks import pruned_per_row, unstructured_mask
from prune.scores import InputNorms, wanda_scores

# Few different values, so that ties are common.
SCORES = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=24),
    elements=st.sampled_from([0.0, 0.5, 1.0, 2.0, 7.5]),
)


@given(SCORES, st.data())
def test_mask_is_that_of_a_stable_sort(scores: np.ndarray, data: st.DataObject) -> None:
    pruned = data.draw(st.integers(0, scores.shape[1]))
    mask = unstructured_mask(torch.from_numpy(scores), pruned).numpy()
    expected = np.ones_like(scores, dtype=bool)
    for row, row_scores in zip(expected, scores, strict=True):
        row[np.argsort(row_scores, kind="stable")[:pruned]] = False
    assert (mask == expected).all()


@given(SCORES, st.floats(0.05, 0.95))
def test_matrix_has_the_sparsity_asked_for_also_where_it_had_zeros_of_its_own(
    weight: np.ndarray, sparsity: float
) -> None:
    tensor = torch.from_numpy(weight)
    kept = unstructured_mask(tensor.abs(), pruned_per_row(tensor, sparsity)).numpy()
    rows, inputs = weight.shape
    wanted, own = rows * int(inputs * sparsity), int((weight == 0).sum())
    zeros = int((weight * kept == 0).sum())
    assert abs(zeros - wanted) <= rows // 2 + rows % 2 or zeros == own > wanted


def test_more_zeros_than_asked_for_are_made_up_by_the_other_rows() -> None:
    weight = torch.rand(4, 100) + 0.1
    weight[0, :80] = 0
    kept = unstructured_mask(weight, pruned_per_row(weight, 0.5))
    assert ((weight * kept) == 0).sum(dim=1).tolist() == [80, 40, 40, 40]


def test_norms_are_those_of_all_tokens_together_however_they_come() -> None:
    inputs = torch.randn(5, 30, 8, generator=torch.Generator().manual_seed(1))
    norms = InputNorms()
    for part in inputs:
        norms.add(part)
    expected = inputs.double().reshape(-1, 8).square().sum(dim=0).sqrt()
    torch.testing.assert_close(norms.result().double(), expected, rtol=1e-6, atol=0)


def test_norms_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="no activations"):
        InputNorms().result()


def test_score_is_the_papers_product() -> None:
    weight, norms = torch.tensor([[-2.0, 3.0], [0.5, -1.0]]), torch.tensor([10.0, 1.0])
    assert wanda_scores(weight, norms).tolist() == [[20.0, 3.0], [5.0, 1.0]]
