"""The plain file that a sparse one stands for, read at any place, is the one that is written."""

import os
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from export.sparse import native
from export.sparse.convert import dense_to_sparse
from export.sparse.dense_view import DenseView
from export.sparse.errors import SparseFileError
from export.sparse.reader import SparseFile
from prune.gguf_file import GGUFFile
from tests.export.sparse.test_convert import model


@pytest.fixture(params=["native", "numpy"])
def unpacking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With native code where it is built, and without."""
    if request.param == "numpy":
        monkeypatch.setattr(native, "_library", lambda: None)
    elif not native.LIBRARY.is_file():
        pytest.skip("the native libraries are not built")


@pytest.fixture(params=[False, True], ids=["when asked for", "ahead"])
def files(unpacking: None, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[bytes, DenseView]]:
    """A plain file's bytes, and the view of what it was packed to."""
    plain = model(tmp_path / "plain.gguf").path
    dense_to_sparse(plain, tmp_path / "sparse.gguf")
    with DenseView(tmp_path / "sparse.gguf", ahead=request.param) as view:
        yield plain.read_bytes(), view


def read(view: DenseView, offset: int, size: int) -> bytes:
    target, done = bytearray(b"x" * size), 0
    while read := view.read_into(offset + done, memoryview(target)[done:]):
        done += read
    return bytes(target[:done])


def test_the_whole_is_the_plain_file(files: tuple[bytes, DenseView]) -> None:
    plain, view = files
    assert view.size == len(plain)
    assert read(view, 0, view.size) == plain


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_part_is_that_part_of_the_plain_file(files: tuple[bytes, DenseView], data: st.DataObject) -> None:
    plain, view = files
    offset = data.draw(st.integers(0, len(plain)))
    size = data.draw(st.integers(0, len(plain)))
    assert read(view, offset, size) == plain[offset : offset + size]


def test_another_alignment_moves_the_tensors_and_changes_nothing_else(tmp_path: Path) -> None:
    plain = model(tmp_path / "plain.gguf").path
    dense_to_sparse(plain, tmp_path / "sparse.gguf")
    with DenseView(tmp_path / "sparse.gguf", 4096) as view:
        (tmp_path / "moved.gguf").write_bytes(read(view, 0, view.size))
    with GGUFFile(plain) as old, GGUFFile(tmp_path / "moved.gguf") as new:
        assert new.alignment == 4096
        assert all(info.offset % 4096 == 0 for info in new.tensors.values())
        assert list(new.tensors) == list(old.tensors)
        assert all((new.read(new.tensor(name)) == old.read(old.tensor(name))).all() for name in old.tensors)
        assert {key: new.value(key) for key in old.entries} == {key: old.value(key) for key in old.entries}


@pytest.mark.usefixtures("unpacking")
@pytest.mark.parametrize("ahead", [False, True])
def test_a_flipped_bit_is_an_error_that_names_the_tensor_once_it_is_read(tmp_path: Path, ahead: bool) -> None:
    plain = model(tmp_path / "plain.gguf").path
    dense_to_sparse(plain, tmp_path / "sparse.gguf")
    with SparseFile(tmp_path / "sparse.gguf") as sparse:
        name = list(sparse.tensors)[-1]
        place = sparse.file.tensor(sparse.tensors[name].packed_name).offset + 3
    damaged = bytearray((tmp_path / "sparse.gguf").read_bytes())
    damaged[place] ^= 1
    (tmp_path / "sparse.gguf").write_bytes(damaged)
    with GGUFFile(plain) as file:
        before = file.tensor(name).offset
    with DenseView(tmp_path / "sparse.gguf", ahead=ahead) as view:
        assert read(view, 0, before) == plain.read_bytes()[:before]
        with pytest.raises(SparseFileError, match=name):
            read(view, before, 1)


def test_a_file_that_was_cut_meanwhile_is_an_error(tmp_path: Path) -> None:
    dense_to_sparse(model(tmp_path / "plain.gguf").path, tmp_path / "sparse.gguf")
    with DenseView(tmp_path / "sparse.gguf") as view:
        os.truncate(tmp_path / "sparse.gguf", 8192)
        with pytest.raises(SparseFileError, match="shorter"):
            read(view, 0, view.size)


def test_a_file_that_was_changed_meanwhile_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "sparse.gguf"
    dense_to_sparse(model(tmp_path / "plain.gguf").path, path)
    with DenseView(path, ahead=True) as view:
        read(view, 0, view.size)
        view.check_unchanged()
        changed = bytearray(path.read_bytes())
        changed[-1] ^= 1
        path.write_bytes(changed)
        with pytest.raises(SparseFileError, match=rf"{path.name} was changed"):
            view.check_unchanged()


@pytest.mark.usefixtures("unpacking")
@pytest.mark.parametrize("ahead", [False, True])
def test_bytes_that_contradict_themselves_are_an_error_whatever_their_digest(tmp_path: Path, ahead: bool) -> None:
    path = tmp_path / "sparse.gguf"
    dense_to_sparse(model(tmp_path / "plain.gguf").path, path)
    with SparseFile(path) as sparse:
        tensor = list(sparse.tensors.values())[-1]
        data = sparse.packed(tensor.name).copy()
        place = sparse.file.tensor(tensor.packed_name).offset
    data[tensor.layout.scale_bytes] ^= 1  # of the first row's mask
    lying = bytearray(path.read_bytes())
    lying[place : place + len(data)] = data.tobytes()
    path.write_bytes(lying.replace(tensor.digest.encode(), tensor.digest_of(data).encode()))
    with DenseView(path, ahead=ahead) as view, pytest.raises(SparseFileError, match=rf"{tensor.name}.*survivors"):
        read(view, 0, view.size)


@pytest.mark.parametrize("ahead", [False, True])
def test_pieces_may_cut_rows(tmp_path: Path, ahead: bool) -> None:
    """As they do where a matrix is larger than what a reader asks for at once."""
    random = np.random.default_rng(2)
    writer = gguf.GGUFWriter(tmp_path / "plain.gguf", "llama")
    for name, density in (("a.weight", 0.5), ("b.weight", 1.0)):
        values = np.where(random.random((3000, 992)) < density, random.standard_normal((3000, 992)), 0)
        stored = gguf.quants.quantize(values.astype(np.float32), gguf.GGMLQuantizationType.Q8_0)
        writer.add_tensor(name, stored, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    dense_to_sparse(tmp_path / "plain.gguf", tmp_path / "sparse.gguf", names=["a.weight"])
    with DenseView(tmp_path / "sparse.gguf", ahead=ahead) as view:
        assert read(view, 0, view.size) == (tmp_path / "plain.gguf").read_bytes()
        assert read(view, 2_000_001, 1_100_000) == (tmp_path / "plain.gguf").read_bytes()[2_000_001:3_100_001]
