"""Matrices to pack: of any shape, density and pattern."""

import math
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from export.sparse.layout import BLOCK_SIZES, UNSTRUCTURED, Pattern, SparseFormat, ValueType
from export.sparse.packing import CodedMatrix

PATTERNS = [UNSTRUCTURED, *map(Pattern.parse, ["1:4", "2:4", "3:4", "1:8", "4:8", "7:8", "8:16", "16:32", "31:32"])]


@dataclass(frozen=True)
class Case:
    """A matrix and a form that it can be packed in."""

    matrix: CodedMatrix
    form: SparseFormat


def random_case(
    form: SparseFormat, shape: tuple[int, int], density: float, seed: int = 0, *, equal: bool = False
) -> Case:
    """A random matrix that has the pattern; `equal`: with the same number of weights in every row."""
    random = np.random.default_rng(seed)
    rows, columns = shape
    least, greatest = (-128, 127) if form.values is ValueType.INT8 else (-8, 7)
    codes = random.integers(least, greatest + 1, shape).astype(np.int8)
    group = form.pattern.group or columns
    order = random.random((rows, columns // group, group)).argsort(axis=2).argsort(axis=2).reshape(shape)
    if equal:
        codes[codes == 0] = 1
    if form.pattern.group:
        codes[order >= form.pattern.kept] = 0
    if equal:
        codes[order >= round(density * group)] = 0
    else:
        codes[random.random(shape) >= density] = 0
    scales = random.standard_normal((rows, -(-columns // form.block))).astype(np.float16).view(np.uint16)
    return Case(CodedMatrix(codes, scales, form.block), form)


@st.composite
def cases(draw: st.DrawFn, multiple: int = 1) -> Case:
    """Any pattern, value type and block; odd widths that are a multiple, one row, empty and full rows among them."""
    pattern = draw(st.sampled_from(PATTERNS))
    form = SparseFormat(pattern, draw(st.sampled_from(list(ValueType))), draw(st.sampled_from(BLOCK_SIZES)))
    columns = draw(st.integers(1, 70)) * math.lcm(multiple, pattern.group or draw(st.sampled_from([1, 1, 7, 32])))
    density = draw(st.sampled_from([0.0, 0.02, 0.3, 0.5, 0.9, 1.0]))
    seed, equal = draw(st.integers(0, 1 << 30)), draw(st.booleans())
    case = random_case(form, (draw(st.integers(1, 9)), columns), density, seed, equal=equal)
    for row in draw(st.sets(st.integers(0, len(case.matrix.codes) - 1), max_size=2)):
        case.matrix.codes[row] = 0 if pattern.group or draw(st.booleans()) else 1
    return case
