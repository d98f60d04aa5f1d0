"""Packing and unpacking: exact for every shape, pattern and value type, and never a wrong matrix for damaged bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.sparse.layout import SLACK, UNSTRUCTURED, Pattern, SparseFormat, SparseLayout, ValueType
from export.sparse.masks import bits_to_mask, mask_to_bits
from export.sparse.packing import CodedMatrix, PackedMatrix, pack, unpack
from prune.errors import UsageError
from tests.export.sparse.matrices import PATTERNS, Case, cases, random_case

INT8, INT4 = ValueType.INT8, ValueType.INT4


@settings(max_examples=500)
@given(cases())
def test_what_was_packed_comes_back_bit_for_bit(case: Case) -> None:
    packed = pack(case.matrix, case.form)
    back = unpack(packed, with_mask=True)
    assert (back.codes == case.matrix.codes).all()
    assert (back.scales == case.matrix.scales).all()
    assert back.mask is not None
    assert back.mask[case.matrix.codes != 0].all()
    assert (back.values() == case.matrix.values()).all()
    again = pack(back, case.form)
    assert again.layout == packed.layout
    assert again.data.tobytes() == packed.data.tobytes()
    if case.form.pattern.group:
        groups = back.mask.reshape(-1, case.form.pattern.group)
        assert (groups.sum(axis=1) == case.form.pattern.kept).all()


@given(st.sampled_from(PATTERNS), st.integers(1, 5), st.integers(1, 40), st.integers(0, 1 << 30))
def test_masks_are_their_bits(pattern: Pattern, rows: int, groups: int, seed: int) -> None:
    columns = groups * (pattern.group or 1)
    order = np.random.default_rng(seed).random((rows, groups, pattern.group or 1)).argsort(axis=2)
    mask = (order < pattern.kept if pattern.group else order % 2 == 0).reshape(rows, columns)
    bits = mask_to_bits(mask, pattern)
    assert bits.shape == (rows, SparseLayout(rows, columns, SparseFormat(pattern, INT8, 32), None).mask_bytes)
    assert (bits_to_mask(bits, columns, pattern) == mask).all()


def test_implied_bits_are_left_out() -> None:
    mask = np.array([[0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 0, 1, 0, 1]], dtype=np.bool_)
    assert mask_to_bits(mask, Pattern(4, 8)).tolist() == [[0b1_1010110, 0b00_010001]]
    assert mask_to_bits(mask, Pattern(2, 4)).tolist() == [[0b11_101_110, 0b0000_010_0]]
    assert mask_to_bits(mask, Pattern(8, 16)).tolist() == [[0b01010110, 0b10100011]]


@pytest.mark.parametrize(
    ("pattern", "values", "block", "most"),
    [
        ("unstructured", INT8, 32, 5.51),
        ("unstructured", INT8, 128, 5.15),
        ("unstructured", INT4, 32, 3.51),
        ("unstructured", INT4, 128, 3.15),
        ("4:8", INT8, 128, 5.0),
        ("4:8", INT4, 128, 3.0),
        ("2:4", INT4, 256, 2.93),
        ("16:32", INT4, 128, 3.15),
    ],
)
@pytest.mark.parametrize("shape", [(2432, 896), (448, 4864)])
def test_bits_a_weight_at_half(
    pattern: str, values: ValueType, block: int, most: float, shape: tuple[int, int]
) -> None:
    form = SparseFormat(Pattern.parse(pattern), values, block)
    case = random_case(form, shape, 0.5, equal=True)
    packed = pack(case.matrix, form)
    assert packed.data.size * 8 / case.matrix.codes.size < most + 0.01


def test_unequal_rows_have_a_table_and_nearly_equal_ones_are_filled() -> None:
    form = SparseFormat(UNSTRUCTURED, INT8, 32)
    unequal = random_case(form, (400, 896), 0.5).matrix
    assert pack(unequal, form).layout.kept is None
    assert pack(unequal, form).data.size * 8 / unequal.codes.size < 5.6
    equal = random_case(form, (400, 896), 0.5, equal=True).matrix
    equal.codes[7, np.flatnonzero(equal.codes[7])[:3]] = 0
    packed = pack(equal, form)
    assert packed.layout.kept == 448
    assert packed.data.size == 400 * packed.layout.row_bytes(448) + SLACK


def test_survivors_with_the_code_zero_stay_survivors() -> None:
    form = SparseFormat(UNSTRUCTURED, INT4, 32)
    mask = np.tile([True, False], (3, 32))
    matrix = CodedMatrix(np.zeros((3, 64), dtype=np.int8), np.zeros((3, 2), dtype=np.uint16), 32, mask)
    back = unpack(pack(matrix, form), with_mask=True)
    assert back.mask is not None
    assert (back.mask == mask).all()


@pytest.mark.parametrize("values", ValueType)
@pytest.mark.parametrize("pattern", ["unstructured", "4:8", "2:4", "16:32"])
def test_unpacked_whatever_the_bytes_are(pattern: str, values: ValueType) -> None:
    """Whoever writes a file can compute digests: bytes that lie give an error, or a matrix of that shape."""
    random = np.random.default_rng(5)
    for equal in (True, False):
        form = SparseFormat(Pattern.parse(pattern), values, 32)
        packed = pack(random_case(form, (5, 96), 0.5, equal=equal).matrix, form)
        for _ in range(400):
            data = packed.data.copy()
            for at in random.integers(0, len(data), random.integers(1, 4)):
                data[at] = random.integers(0, 256)
            try:
                back = unpack(PackedMatrix(packed.layout, data))
            except ValueError as error:
                assert str(error).startswith("it")
            else:
                assert back.codes.shape == (5, 96)
                assert np.isfinite(back.values()).all()


@pytest.mark.parametrize(
    "layout",
    [
        SparseLayout(1 << 60, 96, SparseFormat(UNSTRUCTURED, INT8, 32), 48),
        SparseLayout(1 << 60, 96, SparseFormat(UNSTRUCTURED, INT8, 32), None),
        SparseLayout(5, 1 << 60, SparseFormat(UNSTRUCTURED, INT8, 32), 0),
        SparseLayout(1 << 40, 1 << 40, SparseFormat(Pattern(4, 8), INT4, 256), 1 << 39),
        SparseLayout(5, 96, SparseFormat(UNSTRUCTURED, INT8, 32), 40),
    ],
)
def test_layouts_that_do_not_fit_the_bytes_are_refused_at_once(layout: SparseLayout) -> None:
    form = SparseFormat(UNSTRUCTURED, INT8, 32)
    packed = pack(random_case(form, (5, 96), 0.5, equal=True).matrix, form)
    with pytest.raises(ValueError, match="bytes where a matrix of its shape takes"):
        unpack(PackedMatrix(layout, packed.data))


@pytest.mark.parametrize(
    ("codes", "scale", "form", "complaint"),
    [
        (np.ones((2, 32)), 0x3C00, SparseFormat(Pattern(4, 8), INT8, 32), "more than 4:8 weights survive in row 0"),
        (np.ones((2, 36)), 0x3C00, SparseFormat(Pattern(4, 8), INT8, 32), "no whole groups of 4:8"),
        (np.full((2, 32), 8), 0x3C00, SparseFormat(UNSTRUCTURED, INT4, 32), "4 bits do not hold"),
        (np.ones((2, 32)), 0x7C00, SparseFormat(UNSTRUCTURED, INT8, 32), "not finite"),
        (np.ones((2, 32)), 0xFE00, SparseFormat(UNSTRUCTURED, INT8, 32), "not finite"),
    ],
)
def test_what_cannot_be_packed_is_refused(codes: np.ndarray, scale: int, form: SparseFormat, complaint: str) -> None:
    blocks = -(-codes.shape[1] // 32)
    matrix = CodedMatrix(codes.astype(np.int8), np.full((2, blocks), scale, dtype=np.uint16), 32)
    with pytest.raises(ValueError, match=complaint):
        pack(matrix, form)


def test_masks_that_contradict_codes_and_other_blocks_are_refused() -> None:
    form = SparseFormat(UNSTRUCTURED, INT8, 32)
    scales = np.zeros((2, 1), dtype=np.uint16)
    matrix = CodedMatrix(np.ones((2, 32), dtype=np.int8), scales, 32, np.zeros((2, 32), dtype=np.bool_))
    with pytest.raises(ValueError, match="its mask does not keep"):
        pack(matrix, form)
    with pytest.raises(ValueError, match="blocks of 64"):
        pack(matrix, SparseFormat(UNSTRUCTURED, INT8, 64))


@pytest.mark.parametrize("text", ["", "4", "4:", "8:8", "9:8", "0:8", "4:9", "4:64", "04:08", "4:8 ", "٤:٨", "x" * 99])
def test_other_patterns_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Pattern.parse(text)
    assert str(Pattern.parse("4:8")) == "4:8"
    with pytest.raises(UsageError, match="Blocks of 48"):
        SparseFormat(UNSTRUCTURED, INT8, 48)
