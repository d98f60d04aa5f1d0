"""Hugging Face folders turned into GGUF: what was written as a folder comes back as it was; the rest is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from assistant.cli.app import main
from assistant.engine.tokenizer import open_tokenizer
from assistant.perplexity import perplexity
from export.hugging_face.folder import write_folder
from export.hugging_face.reading import write_gguf
from export.hugging_face.safetensors import DType
from export.hugging_face.tokenizer import PRE_TOKENIZERS
from prune.errors import CheckpointError
from prune.gguf_file import GGUFFile
from prune.weights import read_tensor
from tests.prune import tiny_models as tiny

TOKENS = np.random.default_rng(0).integers(0, 250, (2, 64)).astype(np.int32)
METADATA = ("pre", "tokens", "token_type", "merges", "eos_token_id", "add_bos_token")
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models")
    write_folder(tiny.write_tiny_model(place / "plain.gguf", "qwen2").path, place / "folder")
    return place / "folder"


def changed(folder: Path, place: Path, name: str, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of the folder in which a JSON file is another."""
    place.mkdir()
    for file in folder.iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    content = json.loads((place / name).read_text(encoding="utf-8"))
    change(content)
    (place / name).write_text(json.dumps(content), encoding="utf-8")
    return place


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3", "llama"])
@pytest.mark.parametrize("dtype", list(DType))
def test_a_folder_comes_back_as_the_file_it_was_made_of(tmp_path: Path, architecture: str, dtype: DType) -> None:
    plain = tiny.write_tiny_model(tmp_path / "plain.gguf", architecture)
    write_folder(plain.path, tmp_path / "folder", dtype)
    write_gguf(tmp_path / "folder", tmp_path / "back.gguf")
    kind = gguf.GGMLQuantizationType[dtype.value.upper()]
    with GGUFFile(plain.path) as before, GGUFFile(tmp_path / "back.gguf") as after:
        assert all(before.value(f"tokenizer.ggml.{key}") == after.value(f"tokenizer.ggml.{key}") for key in METADATA)
        assert after.tensors.keys() == before.tensors.keys()
        assert after.tensor("blk.0.attn_q.weight").type is kind
        for name, values in plain.weights.items():
            expected = gguf.quants.dequantize(gguf.quants.quantize(values, kind), kind).reshape(values.shape)
            assert (read_tensor(after, name) == expected).all(), name
    if dtype is DType.F32:
        assert perplexity(tmp_path / "back.gguf", TOKENS, 1) == perplexity(plain.path, TOKENS, 1)


@pytest.mark.parametrize("pre", sorted(PRE_TOKENIZERS))
def test_the_way_text_is_cut_is_found_again(folder: Path, tmp_path: Path, pre: str) -> None:
    def cut(content: dict[str, Any]) -> None:
        content["pre_tokenizer"]["pretokenizers"] = PRE_TOKENIZERS[pre]

    write_gguf(changed(folder, tmp_path / "folder", "tokenizer.json", cut), tmp_path / "model.gguf")
    with GGUFFile(tmp_path / "model.gguf") as file:
        assert PRE_TOKENIZERS[file.value("tokenizer.ggml.pre")] == PRE_TOKENIZERS[pre]


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ([{"type": "Split", "pattern": {"Regex": QWEN_SPLIT}, "behavior": "Isolated", "invert": False}], "qwen2"),
        ([{"type": "Digits", "individual_digits": True}, None], "smollm"),
        ([None], "gpt-2"),
    ],
    ids=["qwen2", "smollm", "gpt-2"],
)
def test_the_spelling_of_well_known_models_is_understood(
    folder: Path, tmp_path: Path, steps: list[dict[str, Any] | None], name: str
) -> None:
    """None stands for GPT-2's expression, which ByteLevel has built in."""

    def cut(content: dict[str, Any]) -> None:
        last = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": None in steps}
        content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [*filter(None, steps), last]}
        content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]  # before tokenizers 0.20

    write_gguf(changed(folder, tmp_path / "folder", "tokenizer.json", cut), tmp_path / "model.gguf")
    with GGUFFile(tmp_path / "model.gguf") as file:
        assert PRE_TOKENIZERS[file.value("tokenizer.ggml.pre")] == PRE_TOKENIZERS[name]
    with open_tokenizer(tmp_path / "model.gguf") as tokenizer:
        assert tokenizer.has_token("<|fim_prefix|>")
        assert len(tokenizer.tokenize("a    b")) < len("a    b")


def _bytes_fall_back(content: dict[str, Any]) -> None:
    content["model"]["byte_fallback"] = True


def _another_cut(content: dict[str, Any]) -> None:
    content["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\w+"


def _a_token_too_many(content: dict[str, Any]) -> None:
    content["model"]["vocab"]["more"] = 100_000


def _no_vocabulary(content: dict[str, Any]) -> None:
    del content["model"]["vocab"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_bytes_fall_back, "cannot be turned into GGUF's"),
        (_another_cut, "qwen2.* Take the model's GGUF file"),
        (_a_token_too_many, "token 100000 is not one of the"),
        (_no_vocabulary, "no whole tokenizer"),
    ],
)
def test_tokenizers_that_cannot_be_turned_are_refused(
    folder: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], complaint: str
) -> None:
    broken = changed(folder, tmp_path / "folder", "tokenizer.json", change)
    with pytest.raises(CheckpointError, match=complaint):
        write_gguf(broken, tmp_path / "model.gguf")


def test_scaled_rope_and_a_missing_tokenizer_are_refused(folder: Path, tmp_path: Path) -> None:
    yarn = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0}
    scaled = changed(folder, tmp_path / "scaled", "config.json", lambda config: config.update(rope_parameters=yarn))
    with pytest.raises(CheckpointError, match="'yarn'"):
        write_gguf(scaled, tmp_path / "model.gguf")
    (scaled / "tokenizer.json").unlink()
    plain = changed(scaled, tmp_path / "plain", "config.json", lambda config: config.pop("rope_parameters"))
    with pytest.raises(CheckpointError, match=r"tokenizer\.json cannot be opened"):
        write_gguf(plain, tmp_path / "model.gguf")


def test_a_folder_is_imported_under_its_name(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SNED_HOME", str(tmp_path / "home"))
    assert main(["import", str(folder), "--name", "tiny-folder", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["source"] == "the folder folder"
    assert perplexity(Path(answer["path"]), TOKENS, 1) > 1
    assert main(["import", str(folder), "--name", "tiny-folder"]) == 1
    assert "A model is called tiny-folder already" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["import", str(tmp_path / "empty")]) == 1
    assert "config.json cannot be opened" in capsys.readouterr().err
    assert not (tmp_path / "home" / "bases" / "empty").exists()
