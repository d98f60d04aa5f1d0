"""Reading GGUF headers: agreement with gguf's own reader, and damaged files refused in bounded time."""

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prune.errors import CheckpointError
from prune.gguf_file import GGUFFile
from tests.prune import tiny_models as tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tiny.TinyModel:
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    return tiny.write_tiny_model(path, "qwen2", gguf.GGMLQuantizationType.Q8_0)


def open_fully(path: Path) -> None:
    """Opens a file and decodes everything its header holds."""
    with GGUFFile(path) as file:
        for key in file.entries:
            file.value(key)
        for info in file.tensors.values():
            file.read(info)


def test_agrees_with_ggufs_reader(model: tiny.TinyModel) -> None:
    theirs = gguf.GGUFReader(model.path)
    with GGUFFile(model.path) as ours:
        assert list(ours.tensors) == [tensor.name for tensor in theirs.tensors]
        for tensor in theirs.tensors:
            info = ours.tensor(tensor.name)
            assert (info.offset, info.size, info.type) == (tensor.data_offset, tensor.n_bytes, tensor.tensor_type)
            assert info.shape == tuple(int(extent) for extent in tensor.shape)[::-1]
            assert ours.read(info).tobytes() == tensor.data.tobytes()
        keys = [name for name in theirs.fields if not name.startswith("GGUF.")]
        assert list(ours.entries) == keys
        for key in keys:
            assert ours.value(key) == theirs.fields[key].contents()


@pytest.mark.model
def test_agrees_with_ggufs_reader_on_the_default_model(base_model: Path) -> None:
    theirs = gguf.GGUFReader(base_model)
    with GGUFFile(base_model) as ours:
        expected = [(t.name, t.data_offset, t.n_bytes, t.tensor_type) for t in theirs.tensors]
        assert [(i.name, i.offset, i.size, i.type) for i in ours.tensors.values()] == expected
        for key in ("tokenizer.ggml.tokens", "tokenizer.ggml.merges", "tokenizer.chat_template"):
            assert ours.value(key) == theirs.fields[key].contents()


def test_every_truncation_is_refused(model: tiny.TinyModel, tmp_path: Path) -> None:
    whole = model.path.read_bytes()
    with GGUFFile(model.path) as file:
        last = max(file.tensors.values(), key=lambda info: info.offset)
        first = min(file.tensors.values(), key=lambda info: info.offset)
    short = tmp_path / "short.gguf"
    # Every length within the header, then steps through the data.
    for length in [*range(first.offset), *range(first.offset, last.offset + last.size, 997)]:
        short.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"short\.gguf"):
            open_fully(short)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_give_a_model_error_or_a_readable_file(
    model: tiny.TinyModel, tmp_path: Path, data: st.DataObject
) -> None:
    damaged = bytearray(model.path.read_bytes())
    with GGUFFile(model.path) as file:
        header = min(info.offset for info in file.tensors.values())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, header - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.gguf"
    path.write_bytes(damaged)
    try:
        open_fully(path)
    except CheckpointError as error:
        assert "damaged.gguf" in str(error)


@pytest.mark.parametrize(
    ("position", "value", "complaint"),
    [
        (0, b"GGML", "does not begin with 'GGUF'"),
        (4, struct.pack("<I", 1), "version 1"),
        (4, struct.pack(">I", 3), "version"),
        (8, struct.pack("<Q", 1 << 62), "truncated or corrupted"),
        (16, struct.pack("<Q", 1 << 62), "truncated or corrupted"),
        (24, struct.pack("<Q", 1 << 62), "truncated or corrupted"),
    ],
)
def test_absurd_headers_are_refused(
    model: tiny.TinyModel, tmp_path: Path, position: int, value: bytes, complaint: str
) -> None:
    damaged = bytearray(model.path.read_bytes())
    damaged[position : position + len(value)] = value
    path = tmp_path / "damaged.gguf"
    path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match=complaint):
        open_fully(path)


def test_empty_missing_and_directory(tmp_path: Path) -> None:
    (tmp_path / "empty.gguf").touch()
    for path, complaint in (("empty.gguf", "is empty"), ("none.gguf", "No such file"), (".", "cannot be opened")):
        with pytest.raises(CheckpointError, match=complaint):
            GGUFFile(tmp_path / path)


def test_duplicated_tensors_and_keys_are_refused(model: tiny.TinyModel, tmp_path: Path) -> None:
    damaged = model.path.read_bytes().replace(b"blk.1.attn_q.weight", b"blk.0.attn_q.weight")
    path = tmp_path / "damaged.gguf"
    path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match=r"'blk\.0\.attn_q\.weight' appears twice"):
        GGUFFile(path)
    path.write_bytes(model.path.read_bytes().replace(b"qwen2.embedding_length", b"qwen2.context_length\0\0"))
    with GGUFFile(path) as file, pytest.raises(CheckpointError, match="no metadata key"):
        file.value("qwen2.embedding_length")


def test_nested_arrays_are_stepped_over(tmp_path: Path) -> None:
    inner = struct.pack("<IQ", 5, 2) + struct.pack("<2i", 1, 2)
    value = struct.pack("<IQ", 9, 3) + inner * 3
    entry = struct.pack("<Q", 1) + b"k" + struct.pack("<I", 9) + value
    path = tmp_path / "nested.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + entry)
    with GGUFFile(path) as file:
        assert file.value("k") == [[1, 2]] * 3


def test_arrays_nested_without_end_are_refused(tmp_path: Path) -> None:
    entry = struct.pack("<Q", 1) + b"k" + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 5000
    path = tmp_path / "deep.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + entry)
    with pytest.raises(CheckpointError, match="truncated or corrupted"):
        GGUFFile(path)


def test_rows_are_those_of_the_whole_tensor(model: tiny.TinyModel) -> None:
    from prune.weights import read_rows, read_tensor

    rows = np.array([5, 0, tiny.VOCABULARY - 1, 5])
    with GGUFFile(model.path) as file:
        whole = read_tensor(file, "token_embd.weight")
        assert (read_rows(file, "token_embd.weight", rows) == whole[rows]).all()
        assert (whole == model.weights["token_embd.weight"]).all()
