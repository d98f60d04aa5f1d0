"""Each kernel against double precision, on matrices of any shape and sparsity."""

import ctypes
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf.constants import GGMLQuantizationType
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assistant.engine.sparse_backend import LIBRARY
from export.sparse.dense import dense_bytes
from export.sparse.layout import Pattern, SparseFormat, ValueType
from export.sparse.packing import CodedMatrix, PackedMatrix, unpack
from export.sparse.packing import pack as pack_for_file
from tests.native.kernels import BLOCK, Dense, aligned, load, multiply, numbers, pack, pointer, quantised
from tests.native.product import Product

KERNELS = {"portable": 0, "AVX2": 1, "AVX-512 VBMI2": 2, "AVX-VNNI": 4}
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


SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 30))  # rows, blocks of columns, tokens
SEEDS = st.integers(0, 2**32 - 1)


MAKING = st.sampled_from([Dense.random, Dense.random_group])
PACKERS = [KERNELS["AVX2"], KERNELS["AVX-512 VBMI2"]]  # whose layouts differ for N:M patterns
PLAIN = {"making": Dense.random, "packer": KERNELS["AVX2"]}
GROUPS = {"making": Dense.random_group, "packer": KERNELS["AVX2"]}
Making = Callable[[int, tuple[int, int], float, int], Dense]


def inputs_of(seed: int, tokens: int, columns: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((tokens, columns)).astype(np.float32)


@settings(deadline=None, max_examples=40)
@example(seed=0, bits=8, shape=(1, 1, 1), zeros=0.5, **PLAIN)
@example(seed=0, bits=8, shape=(3, 16, 1), zeros=1.0, **PLAIN)  # no weight at all
@example(seed=0, bits=4, shape=(17, 33, 13), zeros=0.0, **PLAIN)  # every weight
@example(seed=0, bits=8, shape=(17, 33, 1), zeros=0.0, **PLAIN)  # and no masks
@example(seed=0, bits=8, shape=(40, 5, 9), zeros=0.12, **PLAIN)
@example(seed=0, bits=4, shape=(40, 28, 1), zeros=0.5, **PLAIN)
@example(seed=0, bits=8, shape=(33, 9, 1), zeros=0.1, **GROUPS)
@example(seed=2, bits=8, shape=(33, 9, 1), zeros=0.1, **GROUPS)
@example(seed=2, bits=8, shape=(33, 9, 5), zeros=0.5, **PLAIN)
@example(seed=0, bits=4, shape=(33, 9, 5), zeros=0.1, **GROUPS)
@example(seed=1, bits=4, shape=(33, 9, 5), zeros=0.5, **PLAIN)  # pairs that share a scale
@example(seed=2, bits=4, shape=(19, 11, 1), zeros=0.1, **GROUPS)
@example(seed=0, bits=4, shape=(16, 2, 1), zeros=0.0, **GROUPS)
@given(
    bits=st.sampled_from([8, 4]),
    shape=SHAPES,
    zeros=st.floats(0, 1),
    seed=SEEDS,
    making=MAKING,
    packer=st.sampled_from(PACKERS),
)
def test_products_are_those_of_double_precision(
    *,
    library: ctypes.CDLL,
    kernel: int,
    bits: int,
    shape: tuple[int, int, int],
    zeros: float,
    seed: int,
    making: Making,
    packer: int,
) -> None:
    rows, blocks, tokens = shape
    made = making(bits, (rows, blocks * BLOCK), zeros, seed)
    inputs = inputs_of(seed, tokens, blocks * BLOCK)
    exact = quantised(inputs)
    # Sums of integers are exact, and products of scales. A chain is rounded once a block, and chains are added up in
    # three steps; each time by half of a last place at most.
    bound = (blocks + 3) * SINGLE / 2 * (np.abs(exact) @ np.abs(made.weights).T) * (1 + 1e-4)
    error = np.abs(multiply(library, kernel, pack(library, made, packer), inputs, rows) - exact @ made.weights.T)
    assert (error <= bound + 1e-30).all()


@settings(deadline=None, max_examples=30)
@given(
    bits=st.sampled_from([8, 4]),
    shape=SHAPES,
    zeros=st.floats(0, 1),
    seed=SEEDS,
    making=MAKING,
    packer=st.sampled_from(PACKERS),
)
def test_all_kernels_give_the_same_bits_for_few_and_many_tokens(
    *,
    library: ctypes.CDLL,
    kernel: int,
    bits: int,
    shape: tuple[int, int, int],
    zeros: float,
    seed: int,
    making: Making,
    packer: int,
) -> None:
    rows, blocks, tokens = shape
    made = making(bits, (rows, blocks * BLOCK), zeros, seed)
    packed, inputs = pack(library, made, packer), inputs_of(seed, tokens, blocks * BLOCK)
    together = multiply(library, kernel, packed, inputs, rows)
    np.testing.assert_array_equal(together, multiply(library, KERNELS["portable"], packed, inputs, rows))
    np.testing.assert_array_equal(together[-1:], multiply(library, kernel, packed, inputs[-1:], rows))


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="this is no Linux on x86-64")
@pytest.mark.skipif(not shutil.which("c++"), reason="there is no C++ compiler")
def test_the_kernel_in_avx_vnnis_coding_gives_the_same_bits(library: ctypes.CDLL, tmp_path: Path) -> None:
    if not library.sned_has_kernel(KERNELS["AVX2"]):
        pytest.skip("this processor has no AVX2")
    program, source = tmp_path / "check", Path(__file__).with_name("check_avxvnni.cpp")
    native, built = source.parents[2] / "native", LIBRARY.with_name("libsned_kernels.so")
    command = ["c++", "-std=c++17", "-O1", f"-I{native}", source, built, f"-Wl,-rpath,{built.parent}", "-o", program]
    subprocess.run(command, check=True)
    run = subprocess.run([program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.skipif(platform.machine() != "x86_64", reason="elsewhere ggml sums in another order")
@pytest.mark.parametrize("tokens", [1, 2, 3, 7, 40])
@pytest.mark.parametrize(("bits", "rows"), [(8, 64), (8, 19), (4, 64), (4, 24)])
@pytest.mark.parametrize("options", [PLAIN, GROUPS], ids=["unstructured", "4:8"])
def test_products_have_the_bits_of_ggmls_own(
    *, library: ctypes.CDLL, kernel: int, bits: int, rows: int, tokens: int, options: dict[str, Any]
) -> None:
    made = options["making"](bits, (rows, 27 * BLOCK), 0.5 if options is PLAIN else 0.05)
    inputs = inputs_of(2, tokens, 27 * BLOCK)
    stock = Product(made.kind, made.data, made.weights.shape, inputs)
    stock.run()
    packed = pack(library, made, options["packer"])
    np.testing.assert_array_equal(multiply(library, kernel, packed, inputs, rows), stock.result())
    stock.close()


@pytest.mark.parametrize("bits", [8, 4])
def test_the_backend_computes_with_any_number_of_threads(library: ctypes.CDLL, bits: int) -> None:
    made, inputs = Dense.random(bits, (200, 96), 0.5), inputs_of(3, 9, 96)
    expected = multiply(library, KERNELS["portable"], pack(library, made), inputs, 200)
    for threads in (1, 2, 5):
        product = Product(made.kind, made.data, made.weights.shape, inputs, packed=True, threads=threads)
        product.run()
        np.testing.assert_array_equal(product.result(), expected)
        product.close()


@pytest.mark.parametrize("value", [0.0, 1e-30, 1e-6, 6e4, 1e9, np.inf, np.nan])
def test_extreme_activations_do_no_harm(library: ctypes.CDLL, kernel: int, value: float) -> None:
    made = Dense.random(8, (5, 20 * BLOCK), 0.5)
    inputs = np.full((1, 20 * BLOCK), value, dtype=np.float32)
    product = multiply(library, kernel, pack(library, made), inputs, 5)
    if value <= 6e4:
        np.testing.assert_allclose(product, quantised(inputs) @ made.weights.T, rtol=1e-4, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(
    making=MAKING,
    bits=st.sampled_from([8, 4]),
    seed=SEEDS,
    rows=st.integers(1, 40),
    blocks=st.integers(1, 40),
    zeros=st.floats(0, 1),
    packer=st.sampled_from(PACKERS),
)
def test_the_dense_bytes_come_back(
    *, library: ctypes.CDLL, making: Making, bits: int, seed: int, rows: int, blocks: int, zeros: float, packer: int
) -> None:
    made = making(bits, (rows, blocks * BLOCK), zeros, seed)
    packed, back = pack(library, made, packer), np.zeros_like(made.data)
    library.sned_unpack_dense(pointer(packed), pointer(back))
    np.testing.assert_array_equal(back, made.data)


@pytest.mark.parametrize(("bits", "share"), [(8, 0.66), (4, 0.80)])
@pytest.mark.parametrize("packer", PACKERS)
def test_half_zeros_take_that_share_of_the_dense_bytes(
    library: ctypes.CDLL, bits: int, share: float, packer: int
) -> None:
    for made in (Dense.random(bits, (64, 896), 0.5), Dense.random_group(bits, (64, 896), 0)):
        assert len(pack(library, made, packer)) < share * made.data.size


def test_scales_that_blocks_share_are_stored_once(library: ctypes.CDLL) -> None:
    for made in (Dense.random(8, (64, 1024), 0.5, seed=2), Dense.random_group(8, (64, 1024), 0, seed=2)):
        assert len(pack(library, made, KERNELS["AVX2"])) < 0.61 * made.data.size


class FileForm(ctypes.Structure):  # sned_file_form
    _fields_ = tuple(
        (name, ctypes.c_int64) for name in ("rows", "columns", "bits", "block", "group", "kept_of", "kept")
    )


def coded(pattern: Pattern, values: ValueType, block: int, columns: int) -> CodedMatrix:
    """A random matrix of this pattern, with a row that has no weight but by its mask."""
    random = np.random.default_rng(3)
    rows, group, kept = 37, pattern.group or columns, pattern.kept or columns // 3
    order = random.random((rows, columns // group, group)).argsort(axis=2)
    most = 127 if values is ValueType.INT8 else 7
    codes = np.where(order < kept, random.integers(-most, most, order.shape), 0).reshape(rows, columns)
    codes[2] = 0
    scales = (random.standard_normal((rows, -(-columns // block))) / 100).astype(np.float16)
    return CodedMatrix(codes.astype(np.int8), scales.view(np.uint16), block)


def packed_of_file(
    library: ctypes.CDLL, stored: PackedMatrix, bits: int, size: int | None = None, packer: int = 1
) -> np.ndarray:
    """The packed matrix of a sparse file's, empty if it was refused."""
    layout, data = stored.layout, np.ascontiguousarray(stored.data)
    pattern, kept = layout.format.pattern, -1 if layout.kept is None else layout.kept
    value_bits = 8 if layout.format.values is ValueType.INT8 else 4
    form = FileForm(layout.rows, layout.columns, value_bits, layout.format.block, pattern.group, pattern.kept, kept)
    out = aligned(library.sned_pack_bound(*numbers(bits, layout.rows, layout.columns)))
    room = ctypes.c_size_t(data.size if size is None else size)
    used = library.sned_pack_file(packer, ctypes.byref(form), pointer(data), room, *numbers(bits), pointer(out))
    return out[:used]


@pytest.mark.parametrize("block", [32, 128, 256])
@pytest.mark.parametrize(
    ("pattern", "columns"), [("4:8", 672), ("unstructured", 96), ("4:8", 96), ("2:4", 64), ("16:32", 160)]
)
@pytest.mark.parametrize(("values", "bits"), [("int8", 8), ("int4", 4), ("int4", 8)])
@pytest.mark.parametrize("packer", PACKERS)
def test_matrices_of_sparse_files_are_packed_as_they_lie_there(
    *, library: ctypes.CDLL, pattern: str, columns: int, block: int, values: str, bits: int, packer: int
) -> None:
    form = SparseFormat(Pattern.parse(pattern), ValueType(values), block)
    matrix = coded(form.pattern, form.values, block, columns)
    stored = pack_for_file(matrix, form)
    packed = packed_of_file(library, stored, bits, packer=packer)
    wide = CodedMatrix(matrix.codes, np.repeat(matrix.scales, block // BLOCK, axis=1)[:, : columns // BLOCK], BLOCK)
    made = Dense.of(bits, wide.codes, wide.scales.view(np.float16))
    np.testing.assert_array_equal(packed, pack(library, made, packer))
    assert packed_of_file(library, stored, bits, stored.data.size - 8).size == 0  # cut off
    assert packed_of_file(library, stored, bits, 0).size == 0


@settings(deadline=None, max_examples=150)
@given(
    pattern=st.sampled_from(["unstructured", "4:8", "16:32"]),
    values=st.sampled_from(list(ValueType)),
    damage=st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 255)), min_size=1, max_size=5),
    packer=st.sampled_from(PACKERS),
)
def test_damaged_matrices_are_refused_or_read_as_they_are(
    *, library: ctypes.CDLL, pattern: str, values: ValueType, damage: list[tuple[int, int]], packer: int
) -> None:
    form = SparseFormat(Pattern.parse(pattern), values, 32)
    stored = pack_for_file(coded(form.pattern, values, 32, 96), form)
    data = stored.data.copy()
    for place, byte in damage:
        data[place % data.size] = byte
    spoilt = PackedMatrix(stored.layout, data)
    bits = 8 if values is ValueType.INT8 else 4
    packed = packed_of_file(library, spoilt, bits, packer=packer)
    if packed.size == 0:
        return
    read = unpack(spoilt)  # what Python refuses is refused here, too
    back = np.zeros(dense_bytes(read, made_kind(bits)).shape, dtype=np.uint8)
    library.sned_unpack_dense(pointer(packed), pointer(back))
    np.testing.assert_array_equal(back, dense_bytes(read, made_kind(bits)))


def made_kind(bits: int) -> GGMLQuantizationType:
    return GGMLQuantizationType.Q8_0 if bits == 8 else GGMLQuantizationType.Q4_0
