"""Q8_0 that keeps zeros: against gguf's own quantiser, and as properties."""

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from export.quantise import quantise_q8_0

Q8_0 = gguf.GGMLQuantizationType.Q8_0

MATRICES = st.integers(1, 4).flatmap(
    lambda rows: st.integers(1, 3).flatmap(
        lambda blocks: hnp.arrays(
            np.float32,
            (rows, 32 * blocks),
            elements=st.one_of(st.just(0.0), st.floats(-8, 8, width=32).filter(lambda x: x == 0 or abs(x) > 2**-10)),
        )
    )
)


def restored(values: np.ndarray) -> np.ndarray:
    return gguf.quants.dequantize(quantise_q8_0(values), Q8_0)


@given(MATRICES)
def test_zeros_are_exactly_the_zeros(values: np.ndarray) -> None:
    assert ((restored(values) == 0) == (values == 0)).all()


@given(MATRICES)
def test_error_is_bounded_by_the_step(values: np.ndarray) -> None:
    blocks = values.reshape(-1, 32)
    step = np.abs(blocks).max(axis=1, keepdims=True) / 127
    error = np.abs(restored(values).reshape(-1, 32) - blocks)
    # Half a step of rounding, one step for what would have become zero, and the scale's own half-precision error.
    tiny = np.abs(blocks) < step / 2
    assert (error <= np.where(tiny, step, step / 2) + np.abs(blocks) * 2**-10 + step * 2**-10 + 1e-7).all()


def test_equals_ggufs_quantiser_where_nothing_would_be_lost() -> None:
    values = np.random.default_rng(0).standard_normal((64, 896)).astype(np.float32)
    theirs = gguf.quants.quantize(values, Q8_0)
    lossless = (gguf.quants.dequantize(theirs, Q8_0) != 0).reshape(-1, 32).all(axis=1)
    ours = quantise_q8_0(values).reshape(-1, 34)
    assert lossless.mean() > 0.5
    assert (ours[lossless] == theirs.reshape(-1, 34)[lossless]).all()


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="rows of 40 values"):
        quantise_q8_0(np.zeros((2, 40), dtype=np.float32))
