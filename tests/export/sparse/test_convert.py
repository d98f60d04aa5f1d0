"""Whole files: plain to sparse and back, read by others, and with everything else untouched."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from export.sparse.choice import SparseOptions, forms_that_pay
from export.sparse.convert import dense_to_sparse, sparse_to_dense
from export.sparse.errors import SparseFileError
from export.sparse.layout import UNSTRUCTURED, Pattern, SparseFormat, ValueType
from export.sparse.packing import CodedMatrix
from export.sparse.reader import SparseFile
from export.sparse.writer import PackedForm, SparseWriter
from prune.driver import prunable_tensors
from prune.errors import CheckpointError, UsageError
from prune.gguf_file import GGUFFile
from tests.prune import tiny_models as tiny

Type = gguf.GGMLQuantizationType
INT8, INT4 = ValueType.INT8, ValueType.INT4


def pruned(values: np.ndarray, pattern: Pattern) -> np.ndarray:
    """The weights of greatest magnitude: half of each row, or N of each M."""
    group, kept = (pattern.group, pattern.kept) if pattern.group else (values.shape[1], values.shape[1] // 2)
    groups = values.reshape(len(values), -1, group)
    rank = np.abs(groups).argsort(axis=2).argsort(axis=2)
    return np.where(rank >= group - kept, groups, np.float32(0)).reshape(values.shape)


def model(path: Path, value_type: Type = Type.Q8_0, pattern: Pattern = UNSTRUCTURED) -> tiny.TinyModel:
    """A tiny model whose blocks' matrices are pruned, and whose embeddings are not."""
    dense = tiny.write_tiny_model(path.with_name("dense.gguf"), "qwen2")
    with GGUFFile(dense.path) as file:
        names = prunable_tensors(file)
    replace = {name: pruned(dense.weights[name], pattern) for name in names}
    return tiny.write_tiny_model(path, "qwen2", value_type, replace=replace)


@pytest.mark.parametrize("value_type", [Type.Q8_0, Type.Q4_0])
@pytest.mark.parametrize("pattern", ["unstructured", "4:8", "2:4", "16:32"])
def test_the_plain_file_comes_back_byte_for_byte(tmp_path: Path, value_type: Type, pattern: str) -> None:
    plain = model(tmp_path / "plain.gguf", value_type, Pattern.parse(pattern))
    dense_to_sparse(plain.path, tmp_path / "sparse.gguf", SparseOptions(Pattern.parse(pattern)))
    sparse_to_dense(tmp_path / "sparse.gguf", tmp_path / "back.gguf")
    assert (tmp_path / "back.gguf").read_bytes() == plain.path.read_bytes()
    with SparseFile(tmp_path / "sparse.gguf") as sparse, GGUFFile(plain.path) as file:
        options = SparseOptions(Pattern.parse(pattern))
        assert list(sparse.tensors) == list(forms_that_pay(file, options))
        # Padding makes a few of these tiny matrices no smaller.
        assert set(prunable_tensors(file)[:5]) <= set(sparse.tensors) <= set(prunable_tensors(file))
        assert sparse.dense_tensors() == list(file.tensors)
        sparse.check()
        for name in sparse.tensors:
            values = sparse.values(name)
            assert (values == plain.weights[name]).all()
            assert (sparse.dense(name).ravel() == file.read(file.tensors[name])).all()
            assert (sparse.dense(name, Type.F32).view("<f4") == plain.weights[name]).all()
            assert (sparse.dense(name, Type.F16).view("<f2") == plain.weights[name].astype(np.float16)).all()
            assert len(sparse.packed(name)) < file.tensors[name].size


def test_ggufs_reader_lists_it_and_everything_else_is_untouched(tmp_path: Path) -> None:
    plain = model(tmp_path / "plain.gguf")
    dense_to_sparse(plain.path, tmp_path / "sparse.gguf")
    reader = gguf.GGUFReader(tmp_path / "sparse.gguf")
    theirs = {tensor.name: tensor for tensor in reader.tensors}
    with GGUFFile(plain.path) as old, GGUFFile(tmp_path / "sparse.gguf") as new:
        assert list(new.entries)[: len(old.entries)] == list(old.entries)
        assert all(key.startswith("sned.sparse.") for key in list(new.entries)[len(old.entries) :])
        for key in old.entries:
            assert new.raw_entry(key) == old.raw_entry(key)
            if not key.startswith("GGUF."):
                assert reader.fields[key].contents() == old.value(key)
        packed = set(prunable_tensors(old))
        expected = [f"{name}.packed" if name in packed else name for name in old.tensors]
        assert [tensor.name for tensor in reader.tensors] == expected
        assert reader.fields["sned.sparse.version"].contents() == 1
        assert reader.fields["sned.sparse.names"].contents() == [name for name in old.tensors if name in packed]
        for name, info in old.tensors.items():
            if name not in packed:
                assert theirs[name].data.tobytes() == old.read(info).tobytes()
            else:
                assert theirs[f"{name}.packed"].tensor_type == Type.I8
                assert theirs[f"{name}.packed"].data_offset % 32 == 0


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    plain = model(tmp_path / "plain.gguf")
    for name in ("one.gguf", "two.gguf"):
        dense_to_sparse(plain.path, tmp_path / name)
    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "two.gguf").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dense.gguf", "one.gguf", "plain.gguf", "two.gguf"]


@pytest.mark.parametrize("source", [Type.F32, Type.F16, Type.Q8_0])
@pytest.mark.parametrize("values", ValueType)
def test_larger_blocks_export_with_the_same_values(tmp_path: Path, source: Type, values: ValueType) -> None:
    plain = model(tmp_path / "plain.gguf", source, Pattern(4, 8))
    dense_to_sparse(plain.path, tmp_path / "sparse.gguf", SparseOptions(Pattern(4, 8), values, 64))
    with SparseFile(tmp_path / "sparse.gguf") as sparse:
        names = list(sparse.tensors)
    exact = Type.Q8_0 if values is INT8 else Type.Q4_0
    for dense_type in (None, Type.Q8_0, Type.F32):
        out = tmp_path / f"{dense_type}.gguf"
        sparse_to_dense(tmp_path / "sparse.gguf", out, dense_type)
        tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(out).tensors}
        with SparseFile(tmp_path / "sparse.gguf") as sparse:
            assert sparse.tensors
            for name in sparse.tensors:
                assert tensors[name].tensor_type == (exact if dense_type is None else dense_type)
                back = gguf.quants.dequantize(tensors[name].data, tensors[name].tensor_type)
                assert (back == sparse.values(name)).all()
                assert (back[plain.weights[name] == 0] == 0).all()
                np.testing.assert_allclose(back, plain.weights[name], atol=0.06 if values is INT4 else 0.003)
    # Scales that are the same in each 64 weights are found again: nothing is rounded a second time.
    dense_to_sparse(tmp_path / "None.gguf", tmp_path / "again.gguf", SparseOptions(Pattern(4, 8)), names)
    with SparseFile(tmp_path / "sparse.gguf") as one, SparseFile(tmp_path / "again.gguf") as two:
        for name in one.tensors:
            assert two.tensors[name].layout.format.block >= 64
            assert (one.values(name) == two.values(name)).all()


def test_odd_widths_are_given_back_as_floats(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((5, 43)).astype(np.float32)
    values[:, ::2] = 0
    writer = gguf.GGUFWriter(tmp_path / "plain.gguf", "llama")
    writer.add_tensor("a.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    dense_to_sparse(tmp_path / "plain.gguf", tmp_path / "sparse.gguf", SparseOptions(values=INT8), ["a.weight"])
    sparse_to_dense(tmp_path / "sparse.gguf", tmp_path / "back.gguf")
    (tensor,) = gguf.GGUFReader(tmp_path / "back.gguf").tensors
    assert tensor.tensor_type == Type.F32
    np.testing.assert_allclose(tensor.data, values, atol=0.02)
    with SparseFile(tmp_path / "sparse.gguf") as sparse:
        assert (sparse.values("a.weight") == tensor.data).all()
    with pytest.raises(UsageError, match=r"a\.weight.*rows of 43 weights cannot be Q8_0; choose F32"):
        sparse_to_dense(tmp_path / "sparse.gguf", tmp_path / "other.gguf", Type.Q8_0)


def test_rounding_uses_the_importance_given(tmp_path: Path) -> None:
    plain = model(tmp_path / "plain.gguf", Type.F32)
    name = "blk.1.ffn_down.weight"
    importance = np.where(np.arange(tiny.INTERMEDIATE) % 32 < 4, 1.0, 1e-3)
    for out, given in (("with.gguf", {name: importance}), ("without.gguf", {})):
        dense_to_sparse(plain.path, tmp_path / out, SparseOptions(values=INT4, importance=given), [name])
    with SparseFile(tmp_path / "with.gguf") as one, SparseFile(tmp_path / "without.gguf") as two:
        errors = [(importance * (sparse.values(name) - plain.weights[name]) ** 2).sum() for sparse in (one, two)]
    assert errors[0] < errors[1]


def test_order_of_writing_is_the_order_in_the_file(tmp_path: Path) -> None:
    plain = model(tmp_path / "plain.gguf")
    form = PackedForm(SparseFormat(UNSTRUCTURED, INT8, 32))
    names = ["blk.2.ffn_up.weight", "blk.0.attn_q.weight"]
    with (
        GGUFFile(plain.path) as base,
        SparseWriter(base, tmp_path / "sparse.gguf", dict.fromkeys(names, form)) as writer,
    ):
        for name in names:
            codes = np.ones(base.tensors[name].shape, dtype=np.int8)
            scales = np.full((len(codes), codes.shape[1] // 32), 0x3C00, dtype=np.uint16)
            writer.write(name, CodedMatrix(codes, scales, 32))
        writer.finish()
    with SparseFile(tmp_path / "sparse.gguf") as sparse:
        sparse.check()
        assert sparse.dense_tensors()[:2] == names
        assert all((sparse.values(name) == 1).all() for name in names)


def test_misuse_of_the_writer_leaves_nothing(tmp_path: Path) -> None:
    plain = model(tmp_path / "plain.gguf")
    name = "blk.0.attn_q.weight"
    form = PackedForm(SparseFormat(Pattern(4, 8), INT8, 32))
    matrix = CodedMatrix(np.ones((64, 64), dtype=np.int8), np.zeros((64, 2), dtype=np.uint16), 32)
    with GGUFFile(plain.path) as base, SparseWriter(base, tmp_path / "out.gguf", {name: form}) as writer:
        with pytest.raises(ValueError, match="not announced"):
            writer.write("blk.1.attn_q.weight", matrix)
        with pytest.raises(ValueError, match="announced as packed"):
            writer.copy(name)
        with pytest.raises(ValueError, match="has the shape"):
            writer.write(name, CodedMatrix(matrix.codes[1:], matrix.scales[1:], 32))
        with pytest.raises(SparseFileError, match=r"plain\.gguf.*attn_q.*more than 4:8.*choose another pattern"):
            writer.write(name, matrix)
        with pytest.raises(ValueError, match="not written"):
            writer.finish()
    assert not list(tmp_path.glob("*out.gguf*"))


def test_what_cannot_be_packed_is_refused(tmp_path: Path) -> None:
    plain = model(tmp_path / "plain.gguf")
    out = tmp_path / "out.gguf"
    with pytest.raises(CheckpointError, match="no tensor 'nonsense'"):
        dense_to_sparse(plain.path, out, names=["nonsense"])
    dense = plain.path.with_name("dense.gguf")
    with pytest.raises(SparseFileError, match=r"dense\.gguf.*'blk\.0\.attn_q\.weight' is F32.*say whether"):
        dense_to_sparse(dense, out, names=["blk.0.attn_q.weight"])
    with pytest.raises(SparseFileError, match=r"'output_norm\.weight' is not a matrix"):
        dense_to_sparse(plain.path, out, SparseOptions(values=INT8), names=["output_norm.weight"])
    with pytest.raises(SparseFileError, match="no pruned matrix"):
        dense_to_sparse(plain.path, out, SparseOptions(Pattern(1, 4)))
    with pytest.raises(SparseFileError, match=r"token_embd.*more than 4:8"):
        dense_to_sparse(plain.path, out, SparseOptions(Pattern(4, 8)), names=["token_embd.weight"])
    with pytest.raises(SparseFileError, match="not a sparse GGUF"):
        sparse_to_dense(plain.path, out)
    dense_to_sparse(plain.path, out)
    with pytest.raises(UsageError, match=r"out\.gguf is there already"):
        dense_to_sparse(plain.path, out)
    with pytest.raises(SparseFileError, match="sparse GGUF already"):
        dense_to_sparse(out, tmp_path / "twice.gguf", names=["output_norm.weight"])
    with pytest.raises(UsageError, match="cannot be written: No such file"):
        sparse_to_dense(out, tmp_path / "nowhere" / "back.gguf")
    with pytest.raises(UsageError, match=r"8-bit values cannot be Q4_0"):
        sparse_to_dense(out, tmp_path / "back.gguf", Type.Q4_0)
    with SparseFile(out) as sparse, pytest.raises(UsageError, match="no packed matrix 'token_embd"):
        sparse.read("token_embd.weight")


def test_types_without_a_zero_are_refused(tmp_path: Path) -> None:
    plain = tiny.write_tiny_model(tmp_path / "plain.gguf", "qwen2", Type.Q4_1)
    with pytest.raises(UsageError, match=r"attn_q.*cannot be stored as Q4_1: it stores scale x code \+ minimum"):
        dense_to_sparse(plain.path, tmp_path / "out.gguf", names=["blk.0.attn_q.weight"])


@pytest.mark.model
def test_the_default_model_pruned_comes_back_byte_for_byte(base_model: Path, tmp_path: Path) -> None:
    """Its first matrices, by magnitude: a whole build takes minutes."""
    from export.gguf_writer import GGUFRewriter
    from export.quantise import quantise_q8_0
    from prune.weights import read_tensor

    plain = tmp_path / "plain.gguf"
    with GGUFFile(base_model) as base:
        names = prunable_tensors(base)[:7]
        with GGUFRewriter(base, plain, dict.fromkeys(names, Type.Q8_0), {}) as writer:
            for name in names:
                writer.write(name, quantise_q8_0(pruned(read_tensor(base, name), UNSTRUCTURED)))
            writer.finish()
    dense_to_sparse(plain, tmp_path / "sparse.gguf", names=names)
    sparse_to_dense(tmp_path / "sparse.gguf", tmp_path / "back.gguf")
    with SparseFile(tmp_path / "sparse.gguf") as sparse:
        weights = sum(tensor.layout.rows * tensor.layout.columns for tensor in sparse.tensors.values())
        assert sum(sparse.packed(name).size for name in names) * 8 / weights < 5.6
        with GGUFFile(plain) as old, GGUFFile(tmp_path / "back.gguf") as new:
            assert list(new.tensors) == list(old.tensors)
            for info in old.tensors.values():
                assert new.read(new.tensors[info.name]).tobytes() == old.read(info).tobytes()
