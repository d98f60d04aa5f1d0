"""Scores: the papers' formulas written out, and norms that do not depend on how tokens come."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prune.masks import unstructured_mask
from prune.scores import InputNorms, ria_scores, scores_of, wanda_scores


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


@given(st.data())
def test_the_mask_of_given_norms_is_exactly_that_of_the_formula_and_a_sort(data: st.DataObject) -> None:
    """As llm-compressor's `sparsify_weight` has it: the products in single precision, and a stable sort of each row."""
    rows, inputs = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 24))
    weight = data.draw(hnp.arrays(np.float32, (rows, inputs), elements=st.floats(-4, 4, width=16)))
    norms = data.draw(hnp.arrays(np.float32, inputs, elements=st.floats(0, 8, width=16)))
    pruned = data.draw(st.integers(0, inputs))
    scores = wanda_scores(torch.from_numpy(weight), torch.from_numpy(norms))
    expected = np.ones((rows, inputs), dtype=bool)
    lowest = np.argsort(np.abs(weight) * norms, axis=1, kind="stable")[:, :pruned]
    np.put_along_axis(expected, lowest, False, axis=1)
    assert (unstructured_mask(scores, pruned).numpy() == expected).all()


@given(st.data())
def test_ria_is_the_papers_formula(data: st.DataObject) -> None:
    rows, inputs = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    values = st.floats(-4, 4, width=16)
    weight = data.draw(hnp.arrays(np.float32, (rows, inputs), elements=values))
    norms = data.draw(hnp.arrays(np.float32, inputs, elements=st.floats(0, 8, width=16)))
    scores = ria_scores(torch.from_numpy(weight), torch.from_numpy(norms)).numpy()
    magnitude = np.abs(weight.astype(np.float64))
    for i in range(rows):
        for j in range(inputs):
            row, column = magnitude[i].sum(), magnitude[:, j].sum()
            relative = magnitude[i, j] / row + magnitude[i, j] / column if magnitude[i, j] else 0.0
            assert scores[i, j] == pytest.approx(relative * norms[j] ** 0.5, rel=1e-5)


def test_scores_go_by_their_names() -> None:
    weight, norms = torch.tensor([[-2.0, 3.0], [0.5, -1.0]]), torch.tensor([10.0, 1.0])
    assert scores_of(weight, norms, "magnitude").tolist() == [[2.0, 3.0], [0.5, 1.0]]
    assert scores_of(weight, norms, "wanda").tolist() == wanda_scores(weight, norms).tolist()
    assert scores_of(weight, norms, "ria").tolist() == ria_scores(weight, norms).tolist()
