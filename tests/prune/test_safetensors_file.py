"""Base models as safetensors: pruned as the GGUF of the same weights, computed as transformers computes them."""

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from prune.blocks import BlockLoader
from prune.driver import prunable_tensors, prune_blocks
from prune.errors import CheckpointError
from prune.gguf_file import GGUFFile
from prune.safetensors_file import SafetensorsFile
from prune.weights import read_rows, read_tensor
from tests.prune import tiny_models as tiny
from tests.prune.tiny_checkpoints import write_tiny_checkpoint

ARCHITECTURES = ["qwen2", "qwen3", "llama", "gemma"]
TOKENS = np.random.default_rng(7).integers(0, tiny.VOCABULARY, (2, 24)).astype(np.int32)


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_tensor_reads_as_in_the_gguf(architecture: str, shards: int, tmp_path: Path) -> None:
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", architecture)
    folder = write_tiny_checkpoint(tmp_path / "folder", architecture, model.weights, shards)
    with GGUFFile(model.path) as plain, SafetensorsFile(folder) as file:
        assert set(file.tensors) == set(plain.tensors)
        assert prunable_tensors(file) == prunable_tensors(plain)
        for name in plain.tensors:
            assert file.tensor(name).shape == plain.tensor(name).shape
            np.testing.assert_allclose(read_tensor(file, name), read_tensor(plain, name), rtol=0, atol=1e-6)
        rows = np.array([5, 0, 5])
        assert (read_rows(file, "token_embd.weight", rows) == model.weights["token_embd.weight"][rows]).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_pruned_as_the_gguf_of_the_same_weights(architecture: str, tmp_path: Path) -> None:
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", architecture)
    folder = write_tiny_checkpoint(tmp_path / "folder", architecture, model.weights, shards=2)
    with GGUFFile(model.path) as plain, SafetensorsFile(folder) as file:
        expected = {matrix.name: matrix.values for matrix in prune_blocks(plain, TOKENS, 0.5)}
        found = {matrix.name: matrix.values for matrix in prune_blocks(file, TOKENS, 0.5)}
    assert list(found) == list(expected)
    for name, values in found.items():
        # Gemma's norms are 1 + weight: rounded once more, a score may fall on the other side.
        assert ((values != 0) != (expected[name] != 0)).mean() < 0.002, name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_blocks_compute_what_transformers_does(architecture: str, tmp_path: Path) -> None:
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", architecture)
    folder = write_tiny_checkpoint(tmp_path / "folder", architecture, model.weights)
    whole = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with SafetensorsFile(folder) as file, torch.inference_mode():
        loader = BlockLoader(file, TOKENS.shape[1])
        hidden = loader.embed(TOKENS)
        for index in range(loader.count):
            block = loader.load(index)
            hidden = torch.stack([block.dense(sequence) for sequence in hidden])
        weight = torch.from_numpy(read_tensor(file, "output_norm.weight"))
        normed = hidden * torch.rsqrt(hidden.square().mean(-1, keepdim=True) + 1e-6) * weight
        expected = whole(torch.from_numpy(TOKENS).long()).last_hidden_state
    torch.testing.assert_close(normed, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_reads_exactly(dtype: torch.dtype, tmp_path: Path) -> None:
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", "qwen2")
    folder = write_tiny_checkpoint(tmp_path / "folder", "qwen2", model.weights)
    halved = {name: values.to(dtype) for name, values in load_file(folder / "model.safetensors").items()}
    save_file(halved, folder / "model.safetensors")
    with SafetensorsFile(folder) as file:
        found = read_tensor(file, "blk.1.ffn_up.weight")
    assert (found == halved["model.layers.1.mlp.up_proj.weight"].float().numpy()).all()


def test_llama_3_s_rope_is_what_the_configuration_says(tmp_path: Path) -> None:
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", "llama")
    folder = write_tiny_checkpoint(tmp_path / "folder", "llama", model.weights)
    scaling = {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }  # fmt: skip
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "rope_scaling": scaling}))
    with SafetensorsFile(folder) as file:
        assert file.rope_parameters == {**scaling, "rope_theta": 10000.0}
        scaled = BlockLoader(file, 200).load(0).dense(torch.ones(200, tiny.HIDDEN))
    assert torch.isfinite(scaled).all()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", "qwen2")
    return write_tiny_checkpoint(tmp_path / "folder", "qwen2", model.weights, shards=2)


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("kind", ["starcoder2", "gemma3_text", None])
def test_other_architectures_are_refused_by_name(kind: str | None, folder: Path) -> None:
    _edit(folder / "config.json", model_type=kind)
    with pytest.raises(CheckpointError, match=rf"is a {kind} model.*: gemma, llama, qwen2, qwen3\."):
        SafetensorsFile(folder)


def test_a_missing_tensor_is_named(folder: Path) -> None:
    index = folder / "model.safetensors.index.json"
    places = json.loads(index.read_text())["weight_map"]
    del places["model.layers.1.mlp.up_proj.weight"]
    _edit(index, weight_map=places)
    with SafetensorsFile(folder) as file, pytest.raises(CheckpointError, match=r"blk\.1\.ffn_up\.weight"):
        prunable_tensors(file)


def test_an_index_that_names_files_elsewhere_is_refused(folder: Path) -> None:
    _edit(folder / "model.safetensors.index.json", weight_map={"a": "../../secret.safetensors"})
    with pytest.raises(CheckpointError, match=r"\.\./\.\./secret.*not beside it"):
        SafetensorsFile(folder)


@pytest.mark.parametrize("missing", ["config.json", "model-00002-of-00002.safetensors"])
def test_a_missing_file_is_named(missing: str, folder: Path) -> None:
    (folder / missing).unlink()
    with pytest.raises(CheckpointError, match=missing):
        SafetensorsFile(folder)


@pytest.mark.parametrize("cut", [0, 5, 60, 5000])
def test_a_shard_that_was_cut_short_is_named(cut: int, folder: Path) -> None:
    shard = folder / "model-00001-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=r"model-00001-of-00002.*fetch the model again|does not parse"):
        SafetensorsFile(folder)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 15]},
        {"dtype": "F32", "shape": [2, 2], "data_offsets": [-16, 0]},
        {"dtype": "F32", "shape": [0, 2], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [1 << 40, 2], "data_offsets": [0, 1 << 43]},
        {"dtype": "I4", "shape": [2, 2], "data_offsets": [0, 2]},
        {"dtype": "F32", "shape": "all"},
        7,
    ],
)
def test_a_header_that_makes_no_sense_is_refused(entry: object, folder: Path) -> None:
    header = json.dumps({"model.embed_tokens.weight": entry}).encode()
    shard = folder / "model-00001-of-00002.safetensors"
    shard.write_bytes(len(header).to_bytes(8, "little") + header + bytes(64))
    with pytest.raises(CheckpointError, match="model-00001-of-00002"):
        SafetensorsFile(folder)


def test_quantised_ggufs_of_gemma_are_pruned_too(tmp_path: Path) -> None:
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", "gemma", gguf.GGMLQuantizationType.Q8_0)
    with GGUFFile(model.path) as file:
        for matrix in prune_blocks(file, TOKENS, 0.5):
            kept = matrix.values != 0
            assert (matrix.values[kept] == model.weights[matrix.name][kept]).all()
            assert kept.mean() == pytest.approx(0.5, abs=0.01)
