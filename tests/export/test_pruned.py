"""A file from pruned matrices as they come, in each form; and what is measured in it."""

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest

from assistant.engine.quantiser import quantise_rows
from export.pruned import PrunedForm, PrunedWeights, Requantised, write_pruned
from export.sparse.convert import SparseOptions, dense_to_sparse
from export.sparse.layout import UNSTRUCTURED, SparseFormat, ValueType
from export.sparse.reader import SparseFile
from export.sparsity import measured_sparsity
from prune.driver import PrunedMatrix, prunable_tensors, prune_blocks
from prune.gguf_file import GGUFFile
from prune.options import PruneOptions
from prune.weights import read_tensor
from tests.prune import tiny_models as tiny

TOKENS = np.random.default_rng(7).integers(0, tiny.VOCABULARY, (4, 24)).astype(np.int32)
EMBEDDING, Q5_0 = "token_embd.weight", gguf.GGMLQuantizationType.Q5_0
UNKNOWN = Requantised({EMBEDDING: Q5_0}, quantise_rows)
INT8, INT4 = (SparseFormat(UNSTRUCTURED, values, 32) for values in (ValueType.INT8, ValueType.INT4))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Inputs that differ in what they are worth, as those of real models do.
    norm = np.random.default_rng(2).lognormal(sigma=2, size=tiny.HIDDEN).astype(np.float32)
    return tiny.write_tiny_model(
        tmp_path_factory.mktemp("base") / "base.gguf", "qwen2", replace={"blk.0.attn_norm.weight": norm}
    ).path


@pytest.fixture(scope="module")
def pruned(base: Path) -> list[PrunedMatrix]:
    with GGUFFile(base) as file:
        return list(prune_blocks(file, TOKENS, PruneOptions(sparsity=0.25)))


def written(base: Path, out: Path, pruned: list[PrunedMatrix], packed: SparseFormat | None, *, known: bool) -> Path:
    with GGUFFile(base) as file:
        form = PrunedForm(prunable_tensors(file), packed)
        matrices = ((each.name, each.values, each.importance if known else None) for each in pruned)
        write_pruned(file, out, matrices, form, {"sned.language": "python"})
    return out


@pytest.mark.parametrize(("packed", "file_type"), [(None, 7), (INT8, 7), (INT4, 2)], ids=["plain", "int8", "int4"])
def test_every_form_says_what_it_is_and_has_the_sparsity_asked_for(
    base: Path, pruned: list[PrunedMatrix], tmp_path: Path, packed: SparseFormat | None, file_type: int
) -> None:
    out = written(base, tmp_path / "out.gguf", pruned, packed, known=True)
    with GGUFFile(out) as file, GGUFFile(base) as whole:
        assert (file.value("general.file_type"), file.value("sned.language")) == (file_type, "python")
        for name in ("token_embd.weight", "output_norm.weight"):
            assert (read_tensor(file, name) == read_tensor(whole, name)).all()
    sparsity = measured_sparsity(out, [matrix.name for matrix in pruned])
    # Of 4-bit survivors some are rounded to zero, and were not pruned for that.
    assert list(sparsity.values()) == pytest.approx([0.25] * len(pruned), abs=0.001)


def test_a_sparse_file_is_what_packing_the_plain_matrices_gives(
    base: Path, pruned: list[PrunedMatrix], tmp_path: Path
) -> None:
    out = written(base, tmp_path / "out.gguf", pruned[::-1], INT4, known=True)
    importance = {matrix.name: matrix.importance for matrix in pruned}
    weights = {matrix.name: matrix.values for matrix in pruned}
    plain = tiny.write_tiny_model(tmp_path / "plain.gguf", "qwen2", replace=weights).path
    options = SparseOptions(values=ValueType.INT4, block=32, importance=importance)
    dense_to_sparse(plain, tmp_path / "other.gguf", options, list(weights))
    with SparseFile(out) as one, SparseFile(tmp_path / "other.gguf") as two:
        one.check()
        assert set(one.dense_tensors()) == set(two.dense_tensors())
        assert all((one.read(name).codes == two.read(name).codes).all() for name in weights)
        assert all((one.read(name).scales == two.read(name).scales).all() for name in weights)


@pytest.mark.parametrize("packed", [None, INT8], ids=["plain", "sparse"])
def test_other_matrices_are_rounded_once_all_pruned_ones_have_come(
    base: Path, pruned: list[PrunedMatrix], tmp_path: Path, packed: SparseFormat | None
) -> None:
    come: list[str] = []
    asked: list[int] = []
    importance = np.exp(2 * np.random.default_rng(1).standard_normal(tiny.HIDDEN)).astype(np.float32)

    def matrices() -> Iterator[PrunedWeights]:
        for each in pruned:
            come.append(each.name)
            yield each.name, each.values, each.importance

    def known() -> dict[str, np.ndarray]:
        asked.append(len(come))
        return {EMBEDDING: importance}

    errors = []
    for number, others in enumerate((Requantised({EMBEDDING: Q5_0}, quantise_rows, known), UNKNOWN)):
        form = PrunedForm([matrix.name for matrix in pruned], packed, others)
        with GGUFFile(base) as file:
            write_pruned(file, tmp_path / f"{number}.gguf", matrices(), form, {})
            whole = read_tensor(file, EMBEDDING)
        if packed is not None:
            with SparseFile(tmp_path / f"{number}.gguf") as sparse:
                sparse.check()
        with GGUFFile(tmp_path / f"{number}.gguf") as file:
            assert file.tensor(EMBEDDING).type is Q5_0
            errors.append((importance * (read_tensor(file, EMBEDDING) - whole) ** 2).sum())
            assert file.tensor("output_norm.weight").type is gguf.GGMLQuantizationType.F32
    assert asked == [len(pruned)]
    assert errors[0] < 0.95 * errors[1]


@pytest.mark.parametrize("packed", [INT8, INT4], ids=["int8", "int4"])
def test_rounding_spares_what_the_inputs_make_count(
    base: Path, pruned: list[PrunedMatrix], tmp_path: Path, packed: SparseFormat
) -> None:
    importance = {matrix.name: matrix.importance for matrix in pruned}
    values = {matrix.name: matrix.values for matrix in pruned}
    name = "blk.0.attn_q.weight"
    errors = []
    for known in (True, False):
        with SparseFile(written(base, tmp_path / f"{known}.gguf", pruned, packed, known=known)) as sparse:
            errors.append((importance[name] * (sparse.values(name) - values[name]) ** 2).sum())
    assert errors[0] < 0.95 * errors[1]


def test_a_plain_file_holds_the_survivors_as_llama_cpp_rounds_them(
    base: Path, pruned: list[PrunedMatrix], tmp_path: Path
) -> None:
    out = written(base, tmp_path / "out.gguf", pruned, None, known=True)
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(out).tensors}
    for matrix in pruned:
        stored = gguf.quants.quantize(matrix.values, gguf.GGMLQuantizationType.Q8_0)
        back = gguf.quants.dequantize(stored, gguf.GGMLQuantizationType.Q8_0)
        found = gguf.quants.dequantize(tensors[matrix.name].data, tensors[matrix.name].tensor_type)
        same = back != 0  # a survivor that llama.cpp would round to zero stays one
        assert (found[same] == back[same]).all()


def test_a_matrix_that_was_not_announced_leaves_no_file(base: Path, pruned: list[PrunedMatrix], tmp_path: Path) -> None:
    for packed in (None, INT8):
        form = PrunedForm([pruned[0].name], packed)
        matrices = [(matrix.name, matrix.values, matrix.importance) for matrix in pruned[:2]]
        with GGUFFile(base) as file, pytest.raises(ValueError, match=pruned[1].name):
            write_pruned(file, tmp_path / "out.gguf", matrices, form, {})
    assert list(tmp_path.iterdir()) == []
