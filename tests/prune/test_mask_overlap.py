"""How far masks differ."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from prune.mask_overlap import Overlap, distance_by_chance, overlap

MASKS = arrays.arrays(np.bool_, (5, 9))


@given(MASKS, MASKS)
def test_the_distance_is_the_papers(one: np.ndarray, other: np.ndarray) -> None:
    kept, others = ({tuple(place) for place in np.argwhere(mask).tolist()} for mask in (one, other))
    union = kept | others
    expected = 1 - len(kept & others) / len(union) if union else 0.0
    assert overlap(one, other).distance == pytest.approx(expected)
    assert overlap(one, other) == overlap(other, one)


@given(MASKS, MASKS)
def test_overlaps_of_parts_add_up(one: np.ndarray, other: np.ndarray) -> None:
    parts = [overlap(one[rows], other[rows]) for rows in (slice(0, 2), slice(2, 5))]
    assert sum(parts, Overlap()) == overlap(one, other)


def test_masks_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3, 2\)"):
        overlap(np.ones((2, 3), dtype=bool), np.ones((3, 2), dtype=bool))


def test_random_masks_have_the_distance_of_chance() -> None:
    random = np.random.default_rng(0)
    one, other = random.random((1000, 1000)) < 0.5, random.random((1000, 1000)) < 0.3
    assert overlap(one, other).distance == pytest.approx(distance_by_chance(0.5, 0.3), abs=0.003)
    assert distance_by_chance(0.5, 0.5) == pytest.approx(2 / 3)
    assert distance_by_chance(0.0, 0.0) == 0.0


@given(st.floats(0.01, 1), st.floats(0.01, 1))
def test_the_distance_of_chance_is_a_distance(one: float, other: float) -> None:
    assert 0.0 <= distance_by_chance(one, other) == distance_by_chance(other, one) <= 1.0
