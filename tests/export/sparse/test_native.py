"""Native unpacking gives what numpy gives, to the last bit, and refuses what numpy refuses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.sparse import native
from export.sparse.convert import dense_to_sparse, sparse_to_dense
from export.sparse.dense import Q4_0, Q8_0, dense_bytes
from export.sparse.layout import BLOCK_SIZES, DENSE_BLOCK, Pattern, SparseFormat, ValueType
from export.sparse.native import LIBRARY, can_unpack, unpack_part
from export.sparse.packing import PackedMatrix, pack, unpack
from tests.export.sparse.matrices import PATTERNS, Case, cases, random_case
from tests.export.sparse.test_convert import model

MUTATIONS = 10_000
built = pytest.mark.skipif(not LIBRARY.is_file(), reason="the native libraries are not built")


@built
@settings(max_examples=500, deadline=None)
@given(cases(multiple=DENSE_BLOCK), st.data())
def test_any_part_is_what_numpy_gives(case: Case, data: st.DataObject) -> None:
    packed = pack(case.matrix, case.form)
    for dense_type in (Q8_0,) if case.form.values is ValueType.INT8 else (Q8_0, Q4_0):
        whole = dense_bytes(case.matrix, dense_type).ravel()
        start = data.draw(st.integers(0, whole.size))
        out = np.full(data.draw(st.integers(0, whole.size - start)) + 2, 99, dtype=np.uint8)
        assert unpack_part(packed, dense_type, start, out[1:-1])
        assert (out[1:-1] == whole[start : start + out.size - 2]).all()
        assert out[0] == out[-1] == 99


@built
def test_mutated_matrices_are_refused_where_numpy_refuses_them() -> None:
    random = np.random.default_rng(3)
    accepted = 0
    forms = [SparseFormat(pattern, values, 64) for pattern in PATTERNS for values in ValueType]
    packed = [pack(random_case(form, (5, 96), 0.5, equal=equal).matrix, form) for form in forms for equal in (0, 1)]
    for number in range(MUTATIONS):
        mutated = _mutated(packed[number % len(packed)], random)
        out = np.empty(mutated.layout.rows * mutated.layout.columns // 32 * 34, dtype=np.uint8)
        try:
            expected = dense_bytes(unpack(mutated), Q8_0)
        except ValueError:
            assert not unpack_part(mutated, Q8_0, 0, out)
        else:
            assert unpack_part(mutated, Q8_0, 0, out)
            assert (out == expected.ravel()).all()
            accepted += 1
    assert 0.1 * MUTATIONS < accepted < 0.9 * MUTATIONS


def _mutated(packed: PackedMatrix, random: np.random.Generator) -> PackedMatrix:
    """With up to three bytes changed, or another size, or a number of its layout changed."""
    layout, data = packed.layout, packed.data.copy()
    kind = random.integers(6)
    if kind == 0:
        return PackedMatrix(layout, data[: random.integers(len(data))].copy())
    if kind == 1:
        return PackedMatrix(
            layout, np.concatenate([data, random.integers(0, 256, 8 * random.integers(9)).astype("u1")])
        )
    if kind == 2:
        rows, columns = int(random.integers(1, 9)), 32 * int(random.integers(1, 5))
        pattern, kept = layout.format.pattern, layout.kept
        if pattern.group:
            kept = columns // pattern.group * pattern.kept
        elif kept is not None:
            kept = int(random.integers(columns + 1))
        block = int(random.choice(BLOCK_SIZES))
        form = SparseFormat(pattern, layout.format.values, block)
        return PackedMatrix(replace(layout, rows=rows, columns=columns, kept=kept, format=form), data)
    for at in random.integers(0, len(data), random.integers(1, 4)):
        data[at] = random.integers(256) if kind < 5 else data[at] ^ 1 << random.integers(8)
    return PackedMatrix(layout, data)


@built
@pytest.mark.parametrize(("start", "size"), [(-1, 10), (0, 5 * 102 + 1), (5 * 102, 1), (2**62, 1)])
def test_bytes_that_the_matrix_does_not_have_are_refused(start: int, size: int) -> None:
    form = SparseFormat(Pattern(4, 8), ValueType.INT8, 32)
    packed = pack(random_case(form, (5, 96), 0.5).matrix, form)
    out = np.full(size, 99, dtype=np.uint8)
    assert not unpack_part(packed, Q8_0, start, out)
    assert (out == 99).all()


@built
def test_values_of_eight_bits_are_not_given_in_four() -> None:
    form = SparseFormat(Pattern(4, 8), ValueType.INT8, 32)
    packed = pack(random_case(form, (5, 96), 0.5).matrix, form)
    assert not unpack_part(packed, Q4_0, 0, np.empty(5 * 3 * 18, dtype=np.uint8))


@pytest.mark.parametrize("there", [b"", b"no library"])
def test_without_a_library_that_can_be_used_numpy_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bytes
) -> None:
    library = tmp_path / "lib.so"
    if there:
        library.write_bytes(there)
    plain = model(tmp_path / "plain.gguf").path
    dense_to_sparse(plain, tmp_path / "sparse.gguf")
    monkeypatch.setattr(native, "LIBRARY", library)
    native._library.cache_clear()
    assert not can_unpack(Q8_0)
    sparse_to_dense(tmp_path / "sparse.gguf", tmp_path / "back.gguf")
    assert (tmp_path / "back.gguf").read_bytes() == plain.read_bytes()
    native._library.cache_clear()
