"""Each kernel against double precision, on matrices of any shape and sparsity."""

import ctypes

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assistant.engine.sparse_backend import LIBRARY
from export.sparse.layout import Pattern, SparseFormat, ValueType
from export.sparse.packing import CodedMatrix
from export.sparse.packing import pack as pack_for_file
from tests.native.kernels import BLOCK, Q8, aligned, load, multiply, numbers, pack, pointer, quantised

KERNELS = {"portable": 0, "AVX2": 1, "AVX-512 VBMI2": 2}
SINGLE = 2.0**-23

pytestmark = pytest.mark.skipif(not LIBRARY.is_file(), reason="the native libraries are not built")


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    return load()


@pytest.fixture(scope="module", params=KERNELS)
def kernel(request: pytest.FixtureRequest, library: ctypes.CDLL) -> int:
    number = KERNELS[request.param]
    if not library.sned_has_kernel(number):
        pytest.skip("this processor does not run it")
    return number


def matrix(seed: int, rows: int, blocks: int, zeros: float) -> Q8:
    random = np.random.default_rng(seed)
    codes = random.integers(-128, 128, (rows, blocks * BLOCK)).astype(np.int8)
    codes[random.random(codes.shape) < zeros] = 0
    return Q8.of(codes, (random.standard_normal((rows, blocks)) / 100).astype(np.float16))


@settings(deadline=None, max_examples=40)
@example(seed=0, shape=(1, 1, 1), zeros=0.5)
@example(seed=0, shape=(3, 16, 1), zeros=1.0)  # no weight at all
@example(seed=0, shape=(17, 33, 13), zeros=0.0)  # every weight
@example(seed=0, shape=(40, 28, 64), zeros=0.5)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 30)),
    zeros=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_products_are_those_of_double_precision(
    library: ctypes.CDLL, kernel: int, shape: tuple[int, int, int], zeros: float, seed: int
) -> None:
    rows, blocks, count = shape
    made = matrix(seed, rows, blocks, zeros)
    inputs = np.random.default_rng(seed).standard_normal((count, blocks * BLOCK)).astype(np.float32)
    exact = quantised(inputs)
    # Sums of integers are exact; each block's product is rounded three times, and their sum once for each block.
    bound = (blocks + 3) * SINGLE * (np.abs(exact) @ np.abs(made.weights).T)
    error = np.abs(multiply(library, kernel, pack(library, made), inputs, rows) - exact @ made.weights.T)
    assert (error <= bound + 1e-30).all()


@pytest.mark.parametrize("value", [0.0, 1e-30, 1e-6, 6e4, 1e9, np.inf, np.nan])
def test_extreme_activations_do_no_harm(library: ctypes.CDLL, kernel: int, value: float) -> None:
    made = matrix(1, 5, 20, 0.5)
    inputs = np.full((1, 20 * BLOCK), value, dtype=np.float32)
    product = multiply(library, kernel, pack(library, made), inputs, 5)
    if value <= 6e4:
        np.testing.assert_allclose(product, quantised(inputs) @ made.weights.T, rtol=1e-4, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 20), blocks=st.integers(1, 40), zeros=st.floats(0, 1))
def test_the_dense_bytes_come_back(library: ctypes.CDLL, seed: int, rows: int, blocks: int, zeros: float) -> None:
    made = matrix(seed, rows, blocks, zeros)
    packed, back = pack(library, made), np.zeros_like(made.data)
    library.sned_unpack_q8_0(pointer(packed), pointer(back))
    np.testing.assert_array_equal(back, made.data)


def test_half_zeros_take_two_thirds(library: ctypes.CDLL) -> None:
    made = matrix(0, 64, 28, 0.5)
    assert len(pack(library, made)) < 0.67 * made.data.size


@pytest.mark.parametrize("block", [32, 128])
@pytest.mark.parametrize(("pattern", "columns"), [("unstructured", 77), ("4:8", 96), ("2:4", 36), ("16:32", 160)])
def test_matrices_of_sparse_files_are_packed_as_they_lie_there(
    library: ctypes.CDLL, pattern: str, columns: int, block: int
) -> None:
    random = np.random.default_rng(3)
    form = SparseFormat(Pattern.parse(pattern), ValueType.INT8, block)
    rows, group, kept = 9, form.pattern.group or columns, form.pattern.kept or columns // 3
    order = random.random((rows, columns // group, group)).argsort(axis=2)
    codes = np.where(order < kept, random.integers(-127, 128, order.shape), 0).reshape(rows, columns).astype(np.int8)
    codes[2] = 0  # a row without weights
    scales = (random.standard_normal((rows, -(-columns // block))) / 100).astype(np.float16)
    stored = pack_for_file(CodedMatrix(codes, scales.view(np.uint16), block), form)
    layout = stored.layout
    out = aligned(library.sned_pack_bound(*numbers(rows, columns)))
    data = np.ascontiguousarray(stored.data)
    count = -1 if layout.kept is None else layout.kept
    numbers_of_form = numbers(rows, columns, block, form.pattern.group, form.pattern.kept, count)

    def packed(size: int) -> int:
        return library.sned_pack_file(pointer(data), ctypes.c_size_t(size), *numbers_of_form, pointer(out))

    assert packed(data.size) > 0
    back = np.zeros((rows, columns), dtype=np.float32)
    library.sned_unpack_f32(pointer(out), pointer(back))
    np.testing.assert_array_equal(back, codes * np.repeat(scales.astype(np.float32), block, axis=1)[:, :columns])
    assert packed(data.size - 8) == 0  # cut off
    assert packed(0) == 0
