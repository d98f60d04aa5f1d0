"""Masks: exact counts, the lowest scores, ties resolved the same way every time."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prune.errors import UsageError
from prune.masks import n_of_m_mask, pruned_per_row, unstructured_mask
from prune.patterns import GROUPS, NOfM, parse_pattern

VALUES = st.sampled_from([0.0, 0.5, 1.0, 2.0, 7.5])  # few, so that ties are common
SCORES = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=24), elements=VALUES)
PATTERNS = st.sampled_from(GROUPS).flatmap(lambda group: st.builds(NOfM, st.integers(1, group - 1), st.just(group)))


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


@given(PATTERNS, st.data())
def test_n_of_m_keeps_the_n_highest_of_every_group_as_a_stable_sort_has_them(
    pattern: NOfM, data: st.DataObject
) -> None:
    shape = (data.draw(st.integers(1, 5)), pattern.group * data.draw(st.integers(1, 4)))
    scores = data.draw(hnp.arrays(np.float32, shape, elements=VALUES))
    mask = n_of_m_mask(torch.from_numpy(scores), pattern).numpy()
    for row, row_scores in zip(mask, scores, strict=True):
        for start in range(0, len(row), pattern.group):
            ordered = sorted(range(start, start + pattern.group), key=lambda place: row_scores[place])
            assert sorted(np.flatnonzero(row[start : start + pattern.group]) + start) == sorted(
                ordered[pattern.group - pattern.kept :]
            )


def test_groups_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="groups of 8 do not divide 20"):
        n_of_m_mask(torch.ones(2, 20), NOfM(4, 8))


@given(PATTERNS)
def test_a_pattern_is_what_its_text_says(pattern: NOfM) -> None:
    assert parse_pattern(str(pattern)) == pattern
    assert pattern.sparsity == 1 - pattern.kept / pattern.group


def test_unstructured_is_no_pattern() -> None:
    assert parse_pattern("unstructured") is None


@pytest.mark.parametrize("text", ["", "4", "4:4", "0:4", "5:4", "2:6", "4:64", "-1:4", "2:4:8", "Unstructured", "٢:٤"])
def test_what_is_no_pattern_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="such as 4:8") as caught:
        parse_pattern(text)
    assert repr(text) in str(caught.value)
