"""Masks as they are read from files, plain and sparse."""

from pathlib import Path

import numpy as np
import pytest
from gguf.constants import GGMLQuantizationType

from export.mask_reading import MaskFile, place_of
from export.sparse.convert import SparseOptions, dense_to_sparse
from export.sparse.errors import SparseFileError
from export.sparse.layout import ValueType
from tests.prune import tiny_models as tiny

NAME = "blk.1.ffn_down.weight"


def pruned_model(path: Path, quantisation: GGMLQuantizationType = GGMLQuantizationType.Q8_0) -> tiny.TinyModel:
    """A tiny model half of whose matrices' weights are zero."""
    random = np.random.default_rng(3)
    whole = tiny.write_tiny_model(path.with_name("whole.gguf"), "qwen2")
    replace = {
        name: values * (random.random(values.shape) < 0.5).astype(np.float32)
        for name, values in whole.weights.items()
        if name.startswith("blk.") and values.ndim == 2
    }
    return tiny.write_tiny_model(path, "qwen2", quantisation, replace=replace)


@pytest.mark.parametrize("kind", ["F32", "F16", "Q8_0", "Q4_0"])
def test_plain_files_keep_what_is_not_zero(kind: str, tmp_path: Path) -> None:
    model = pruned_model(tmp_path / "model.gguf", GGMLQuantizationType[kind])
    with MaskFile(model.path) as file:
        assert set(file.shapes) == {n for n, v in model.weights.items() if n.startswith("blk.") and v.ndim == 2}
        for name, shape in file.shapes.items():
            assert shape == model.weights[name].shape
            assert (file.mask(name) == (model.weights[name] != 0)).all(), name


def test_a_sparse_file_has_the_masks_of_the_plain_one(tmp_path: Path) -> None:
    model = pruned_model(tmp_path / "model.gguf")
    sparse = tmp_path / "sparse.gguf"
    dense_to_sparse(model.path, sparse)
    with MaskFile(model.path) as plain, MaskFile(sparse) as packed:
        assert list(packed.shapes) == list(plain.shapes)
        for name in plain.shapes:
            kept, stored = plain.mask(name), packed.mask(name)
            # Rows of one length are filled up with zeros that are stored.
            assert not (kept & ~stored).any()
            assert stored.sum() - kept.sum() < 0.4 * kept.size


def test_weights_that_are_rounded_to_zero_are_kept(tmp_path: Path) -> None:
    model = pruned_model(tmp_path / "model.gguf")
    sparse = tmp_path / "sparse.gguf"
    dense_to_sparse(model.path, sparse, SparseOptions(values=ValueType.INT4))
    with MaskFile(model.path) as plain, MaskFile(sparse) as packed:
        assert not (plain.mask(NAME) & ~packed.mask(NAME)).any()


def test_a_damaged_table_of_rows_is_named(tmp_path: Path) -> None:
    model = pruned_model(tmp_path / "model.gguf")
    sparse = tmp_path / "sparse.gguf"
    dense_to_sparse(model.path, sparse)
    with MaskFile(sparse) as file:
        tensors = file._sparse.tensors  # type: ignore[union-attr]
        info = file._file.tensor(tensors[NAME].packed_name)
        has_table = tensors[NAME].layout.kept is None
    assert has_table
    data = bytearray(sparse.read_bytes())
    data[info.offset + 4 : info.offset + 8] = b"\xff\xff\xff\x00"
    sparse.write_bytes(data)
    with MaskFile(sparse) as file, pytest.raises(SparseFileError, match=NAME):
        file.mask(NAME)


def test_places_of_matrices() -> None:
    assert place_of("blk.13.attn_q.weight") == (13, "attn_q")
    with pytest.raises(ValueError, match="token_embd"):
        place_of("token_embd.weight")
