"""Scales that minimise the weighted error of the survivors: against plain rounding, and against trying everything."""

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from export.block_scales import quantise_blocks
from export.quantise import quantise_q8_0
from export.sparse.layout import BLOCK_SIZES, UNSTRUCTURED, SparseFormat, ValueType
from prune.errors import UsageError

INT8, INT4 = ValueType.INT8, ValueType.INT4


def form(values: ValueType, block: int = 32) -> SparseFormat:
    return SparseFormat(UNSTRUCTURED, values, block)


def pruned_matrix(rows: int = 64, columns: int = 896, seed: int = 0) -> np.ndarray:
    """Half of each row of a random matrix, those of greatest magnitude times their input's scale, as Wanda has them."""
    random = np.random.default_rng(seed)
    values = (random.standard_normal((rows, columns)) * 0.02).astype(np.float32)
    scores = np.abs(values) * random.lognormal(size=columns)
    values[scores.argsort(axis=1).argsort(axis=1) < columns // 2] = 0
    return values


def error(back: np.ndarray, values: np.ndarray, importance: np.ndarray | float = 1.0) -> float:
    return float((importance * (back.astype(np.float64) - values) ** 2).sum())


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 100)), elements=st.floats(-100, 100, width=32)),
    st.sampled_from(list(ValueType)),
    st.sampled_from(BLOCK_SIZES),
)
def test_zeros_are_zeros_and_errors_are_bounded(values: np.ndarray, value_type: ValueType, block: int) -> None:
    matrix = quantise_blocks(values, form(value_type, block))
    back = matrix.values()
    assert (back[values == 0] == 0).all()
    assert matrix.mask is not None
    assert (matrix.mask == (values != 0)).all()
    zeros = np.zeros_like(values)
    assert error(back, values) <= error(zeros, values) * 1.000001 + 1e-30
    limit = 127 if value_type is INT8 else 8
    assert np.abs(matrix.codes.astype(int)).max() <= limit


def test_8_bit_is_better_than_plain_rounding() -> None:
    values = pruned_matrix()
    plain = gguf.quants.dequantize(quantise_q8_0(values), gguf.GGMLQuantizationType.Q8_0)
    assert error(quantise_blocks(values, form(INT8)).values(), values) < 0.98 * error(plain, values)


def test_4_bit_is_much_better_than_plain_rounding_even_with_larger_blocks() -> None:
    values = pruned_matrix()
    stored = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q4_0)
    plain = error(gguf.quants.dequantize(stored, gguf.GGMLQuantizationType.Q4_0), values)
    errors = [error(quantise_blocks(values, form(INT4, block)).values(), values) for block in BLOCK_SIZES]
    assert errors == sorted(errors)
    assert errors[0] < 0.85 * plain


def test_near_the_best_of_all_scales() -> None:
    """For single blocks, against a fine grid of scales."""
    ours = theirs = 0.0
    for seed in range(30):
        values = pruned_matrix(rows=1, columns=64, seed=seed)[:, :32]
        importance = np.random.default_rng(seed).lognormal(size=32)
        matrix = quantise_blocks(values, form(INT4), importance)
        best = np.inf
        for scale in np.linspace(-0.03, 0.03, 2000):
            codes = np.clip(np.rint(values / scale), -8, 7)
            best = min(best, error(codes * scale, values, importance))
        theirs += best
        ours += error(matrix.values(), values, importance)
    assert ours < 1.125 * theirs


def test_errors_that_count_are_made_smaller() -> None:
    values = pruned_matrix()
    importance = np.random.default_rng(3).lognormal(sigma=2, size=values.shape[1])
    weighted = quantise_blocks(values, form(INT4), importance).values()
    unweighted = quantise_blocks(values, form(INT4)).values()
    assert error(weighted, values, importance) < 0.9 * error(unweighted, values, importance)
    assert error(weighted, values) > error(unweighted, values)
    assert (quantise_blocks(values, form(INT4), np.zeros(896)).values() == unweighted).all()


def test_the_same_matrix_gives_the_same_codes() -> None:
    values = pruned_matrix(rows=1200)
    one, two = quantise_blocks(values, form(INT4, 128)), quantise_blocks(values[600:], form(INT4, 128))
    assert (one.codes[600:] == two.codes).all()
    assert (one.scales[600:] == two.scales).all()


@pytest.mark.parametrize("number", [np.nan, np.inf, 3e38])
def test_values_that_no_scale_holds_are_refused(number: float) -> None:
    values = np.zeros((2, 40), dtype=np.float32)
    values[1, 7] = number
    with pytest.raises(UsageError, match=r"not finite|too large"):
        quantise_blocks(values, form(INT8))


def test_very_small_values_become_zeros() -> None:
    values = np.array([[1e-40, -1e-38, 0, 1e-12]], dtype=np.float32)
    assert (quantise_blocks(values, form(INT8)).values() == 0).all()


@pytest.mark.parametrize("importance", [np.ones(39), -np.ones(40), np.full(40, np.nan), np.ones((40, 1))])
def test_importance_that_makes_no_sense_is_refused(importance: np.ndarray) -> None:
    with pytest.raises(UsageError, match="importance of 40 inputs"):
        quantise_blocks(np.ones((2, 40), dtype=np.float32), form(INT8), importance)
