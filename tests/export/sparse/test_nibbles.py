"""Two values of 4 bits to a byte, against what docs/sparse-gguf.md says of single bytes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from export.sparse.nibbles import join_halves, join_neighbours, nibbles_of, split_halves, split_neighbours

CODES = st.integers(-8, 7)


@given(st.lists(st.tuples(CODES, CODES), min_size=1, max_size=70))
def test_neighbours_share_a_byte_the_first_in_its_low_half(pairs: list[tuple[int, int]]) -> None:
    codes = np.array(pairs, dtype=np.int8).ravel()
    stored = join_neighbours(nibbles_of(codes))
    assert stored.tolist() == [(low + 8) | (high + 8) << 4 for low, high in pairs]
    assert np.array_equal(split_neighbours(stored), codes)


@given(st.lists(st.lists(CODES, min_size=32, max_size=32), min_size=1, max_size=5))
def test_of_32_the_first_16_are_the_low_halves(chunks: list[list[int]]) -> None:
    codes = np.array(chunks, dtype=np.int8)
    stored = join_halves(nibbles_of(codes))
    expected = [
        (low + 8) | (high + 8) << 4 for chunk in chunks for low, high in zip(chunk[:16], chunk[16:], strict=True)
    ]
    assert stored.tolist() == expected
    assert np.array_equal(split_halves(stored), codes.ravel())
    assert np.array_equal(split_halves(stored.reshape(-1, 16)), codes.ravel())
