"""The rewritten file: the base's metadata byte for byte, new tensors at their place, the others untouched."""

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest

from export.gguf_writer import GGUFRewriter
from export.quantise import quantise_q8_0
from export.sparsity import measured_sparsity
from prune.errors import CheckpointError
from prune.gguf_file import GGUFFile
from tests.prune import tiny_models as tiny

Q8_0 = gguf.GGMLQuantizationType.Q8_0
NAMES = ("blk.2.ffn_down.weight", "blk.0.attn_q.weight")


@pytest.fixture(params=["F32", "Q4_0", "Q8_0"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> tiny.TinyModel:
    return tiny.write_tiny_model(tmp_path / "base.gguf", "qwen2", gguf.GGMLQuantizationType[request.param])


def rewrite(base: tiny.TinyModel, path: Path, names: tuple[str, ...] = NAMES) -> None:
    with (
        GGUFFile(base.path) as file,
        GGUFRewriter(file, path, dict.fromkeys(names, Q8_0), {"general.file_type": 7, "sned.sparsity": 0.5}) as writer,
    ):
        for name in names:
            writer.write(name, quantise_q8_0(np.where(base.weights[name] > 0, base.weights[name], 0)))
        writer.finish()


def test_everything_but_the_replaced_is_the_bases(base: tiny.TinyModel, tmp_path: Path) -> None:
    path = tmp_path / "out.gguf"
    rewrite(base, path)
    with GGUFFile(base.path) as old, GGUFFile(path) as new:
        assert list(new.entries) == [*old.entries, "sned.sparsity"]
        for key in old.entries:
            if key != "general.file_type":
                assert new.raw_entry(key) == old.raw_entry(key)
        assert (new.value("general.file_type"), new.value("sned.sparsity")) == (7, 0.5)
        assert list(new.tensors) == list(old.tensors)
        for name in old.tensors:
            if name not in NAMES:
                assert new.read(new.tensors[name]).tobytes() == old.read(old.tensors[name]).tobytes()


def test_ggufs_reader_gets_the_new_tensors(base: tiny.TinyModel, tmp_path: Path) -> None:
    path = tmp_path / "out.gguf"
    rewrite(base, path)
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    for name in NAMES:
        values = gguf.quants.dequantize(tensors[name].data, tensors[name].tensor_type)
        expected = np.where(base.weights[name] > 0, base.weights[name], 0)
        assert tensors[name].tensor_type == Q8_0
        assert ((values == 0) == (expected == 0)).all()
        np.testing.assert_allclose(values, expected, atol=np.abs(expected).max() / 120)


def test_measured_sparsity_is_that_of_the_file(base: tiny.TinyModel, tmp_path: Path) -> None:
    path = tmp_path / "out.gguf"
    rewrite(base, path)
    expected = {name: float((base.weights[name] <= 0).mean()) for name in NAMES}
    assert measured_sparsity(path, NAMES) == pytest.approx(expected)


def test_the_order_of_writing_does_not_show(base: tiny.TinyModel, tmp_path: Path) -> None:
    rewrite(base, tmp_path / "one.gguf", NAMES)
    rewrite(base, tmp_path / "two.gguf", NAMES[::-1])
    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "two.gguf").read_bytes()


def test_a_tensor_may_get_other_rows_and_an_entry_other_bytes(base: tiny.TinyModel, tmp_path: Path) -> None:
    path, name = tmp_path / "out.gguf", "token_embd.weight"
    tokens = struct.pack("<IIQ", 9, 8, 1) + struct.pack("<Q", 3) + b"abc"
    with GGUFFile(base.path) as file:
        info = file.tensor(name)
        rows = file.read(info).reshape(info.shape[0], -1)[[3, 5]]
        with GGUFRewriter(file, path, {name: info.type}, {"tokenizer.ggml.tokens": tokens}, {name: 2}) as writer:
            for pieces in ([rows[:1]], [rows, rows]):
                with pytest.raises(ValueError, match=f"takes {rows.nbytes} bytes"):
                    writer.write_pieces(name, pieces)
            writer.write_pieces(name, [rows[:1], rows[1:]])
            writer.finish()
    with GGUFFile(base.path) as old, GGUFFile(path) as new:
        assert new.tensor(name).shape == (2, old.tensor(name).shape[1])
        assert new.read(new.tensor(name)).tobytes() == rows.tobytes()
        assert new.value("tokenizer.ggml.tokens") == ["abc"]
        for other in old.tensors:
            if other != name:
                assert new.read(new.tensors[other]).tobytes() == old.read(old.tensors[other]).tobytes()


def test_misuse_is_refused(base: tiny.TinyModel, tmp_path: Path) -> None:
    stored = quantise_q8_0(base.weights[NAMES[0]])
    with GGUFFile(base.path) as file:
        with GGUFRewriter(file, tmp_path / "a.gguf", {NAMES[0]: Q8_0}, {}) as writer:
            with pytest.raises(ValueError, match="not announced"):
                writer.write(NAMES[1], stored)
            with pytest.raises(ValueError, match="bytes"):
                writer.write(NAMES[0], stored[1:])
            with pytest.raises(ValueError, match=r"not written.*ffn_down"):
                writer.finish()
            writer.write(NAMES[0], stored)
            with pytest.raises(ValueError, match="written already"):
                writer.write(NAMES[0], stored)
            assert not (tmp_path / "a.gguf").exists()
            writer.finish()
        with pytest.raises(FileExistsError):
            GGUFRewriter(file, tmp_path / "a.gguf", {}, {})
        with pytest.raises(CheckpointError, match="no tensor 'nonsense'"):
            GGUFRewriter(file, tmp_path / "b.gguf", {"nonsense": Q8_0}, {})
        with pytest.raises(CheckpointError, match=r"file_type.*UINT32"):
            GGUFRewriter(file, tmp_path / "c.gguf", {}, {"general.file_type": "seven"})
        with pytest.raises(CheckpointError, match=r"rows of 64 values.*Q6_K"):
            GGUFRewriter(file, tmp_path / "d.gguf", {NAMES[1]: gguf.GGMLQuantizationType.Q6_K}, {})
        with GGUFRewriter(file, tmp_path / "e.gguf", {}, {}):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gguf", "base.gguf"]
