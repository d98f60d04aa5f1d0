"""`sned export` as users run it, on a tiny model."""

import json
from pathlib import Path

import pytest

from tests.e2e.program import full_disk, small_files, sned
from tests.export.sparse.test_convert import model


@pytest.fixture
def pruned(tmp_path: Path) -> Path:
    return model(tmp_path / "pruned.gguf").path


def test_there_and_back(tmp_path: Path, pruned: Path) -> None:
    there = sned(tmp_path, "export", pruned, "sparse.gguf", "--to", "sparse", "--json")
    assert there.returncode == 0, there.stderr
    answer = json.loads(there.stdout)
    assert answer["bytes"] == (tmp_path / "sparse.gguf").stat().st_size < answer["source_bytes"]
    back = sned(tmp_path, "export", "sparse.gguf", "back.gguf", "--to", "dense")
    assert back.returncode == 0, back.stderr
    assert (tmp_path / "back.gguf").read_bytes() == pruned.read_bytes()
    assert "back.gguf" in back.stdout


def test_a_plain_model_is_copied(tmp_path: Path, pruned: Path) -> None:
    assert sned(tmp_path, "export", pruned, "copy.gguf").returncode == 0
    assert (tmp_path / "copy.gguf").read_bytes() == pruned.read_bytes()


def test_fewer_bits_make_a_smaller_file(tmp_path: Path, pruned: Path) -> None:
    sizes = []
    for values, block in (("int8", "32"), ("int4", "32"), ("int4", "128")):
        out = f"{values}-{block}.gguf"
        done = sned(tmp_path, "export", pruned, out, "--to", "sparse", "--values", values, "--block", block)
        assert done.returncode == 0, done.stderr
        sizes.append((tmp_path / out).stat().st_size)
    assert sizes == sorted(sizes, reverse=True)


def test_a_folder_of_safetensors_has_all_that_a_model_needs(tmp_path: Path, pruned: Path) -> None:
    done = sned(tmp_path, "export", pruned, "folder", "--to", "safetensors", "--json")
    assert done.returncode == 0, done.stderr
    files = {path.name: path.stat().st_size for path in (tmp_path / "folder").iterdir()}
    assert json.loads(done.stdout)["bytes"] == sum(files.values())
    assert files.keys() >= {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert sned(tmp_path, "export", pruned, "half", "--to", "safetensors", "--dtype", "bf16").returncode == 0
    assert (tmp_path / "half" / "model.safetensors").stat().st_size < 0.6 * files["model.safetensors"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["{pruned}", "{pruned}"], 2, "there already"),
        (["{pruned}", "{pruned}", "--to", "sparse"], 2, "there already"),
        (["nothing.gguf", "out.gguf"], 2, "no model file nothing.gguf"),
        (["{pruned}", "nowhere/out.gguf"], 2, "nowhere/out.gguf cannot be written"),
        (["{pruned}", "nowhere/out.gguf", "--to", "sparse"], 2, "nowhere/out.gguf cannot be written"),
        (["{pruned}", "out.gguf", "--values", "int4"], 2, "--to sparse"),
        (["{pruned}", "out.gguf", "--dtype", "bf16"], 2, "--to safetensors"),
        (["{pruned}", "{pruned}", "--to", "safetensors"], 2, "there already"),
        (["{pruned}", "out.gguf", "--to", "sparse", "--block", "33"], 2, "33"),
        (["dense.gguf", "out.gguf", "--to", "sparse"], 1, "no pruned matrix"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(
    tmp_path: Path, pruned: Path, arguments: list[str], status: int, said: str
) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    done = sned(tmp_path, "export", *(argument.format(pruned=pruned) for argument in arguments))
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == before


@pytest.mark.parametrize("form", ["dense", "sparse", "safetensors"])
def test_a_file_that_grows_too_large_leaves_nothing(tmp_path: Path, pruned: Path, form: str) -> None:
    (tmp_path / "out").mkdir()
    done = sned(tmp_path, "export", pruned, "out/model", "--to", form, before=small_files)
    assert done.returncode == 2
    assert "out/model cannot be written: File too large; choose a place with room" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_is_one_sentence(tmp_path: Path, pruned: Path) -> None:
    (tmp_path / "out").mkdir()
    done = full_disk(tmp_path, "out", f"sned export '{pruned}' out/model.gguf; echo $?; ls -A out")
    assert done.stdout == "2\n"
    assert "out/model.gguf cannot be written: No space left on device; choose a place with room" in done.stderr
