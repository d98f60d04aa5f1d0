"""`sned export` as users run it, on a tiny model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.export.sparse.test_convert import model

SNED = Path(sys.executable).with_name("sned")


@pytest.fixture
def pruned(tmp_path: Path) -> Path:
    return model(tmp_path / "pruned.gguf").path


def export(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SNED, "export", *arguments],
        cwd=folder,
        env={**os.environ, "SNED_HOME": str(folder / "home"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_there_and_back(tmp_path: Path, pruned: Path) -> None:
    there = export(tmp_path, pruned, "sparse.gguf", "--to", "sparse", "--json")
    assert there.returncode == 0, there.stderr
    answer = json.loads(there.stdout)
    assert answer["bytes"] == (tmp_path / "sparse.gguf").stat().st_size < answer["source_bytes"]
    back = export(tmp_path, "sparse.gguf", "back.gguf", "--to", "dense")
    assert back.returncode == 0, back.stderr
    assert (tmp_path / "back.gguf").read_bytes() == pruned.read_bytes()
    assert "back.gguf" in back.stdout


def test_a_plain_model_is_copied(tmp_path: Path, pruned: Path) -> None:
    assert export(tmp_path, pruned, "copy.gguf").returncode == 0
    assert (tmp_path / "copy.gguf").read_bytes() == pruned.read_bytes()


def test_fewer_bits_make_a_smaller_file(tmp_path: Path, pruned: Path) -> None:
    sizes = []
    for values, block in (("int8", "32"), ("int4", "32"), ("int4", "128")):
        out = f"{values}-{block}.gguf"
        done = export(tmp_path, pruned, out, "--to", "sparse", "--values", values, "--block", block)
        assert done.returncode == 0, done.stderr
        sizes.append((tmp_path / out).stat().st_size)
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["{pruned}", "{pruned}"], 2, "there already"),
        (["{pruned}", "{pruned}", "--to", "sparse"], 2, "there already"),
        (["nothing.gguf", "out.gguf"], 2, "no model file nothing.gguf"),
        (["{pruned}", "nowhere/out.gguf"], 2, "nowhere/out.gguf cannot be written"),
        (["{pruned}", "nowhere/out.gguf", "--to", "sparse"], 2, "nowhere/out.gguf cannot be written"),
        (["{pruned}", "out.gguf", "--values", "int4"], 2, "--to sparse"),
        (["{pruned}", "out.gguf", "--to", "sparse", "--block", "33"], 2, "33"),
        (["dense.gguf", "out.gguf", "--to", "sparse"], 1, "no pruned matrix"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(
    tmp_path: Path, pruned: Path, arguments: list[str], status: int, said: str
) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    done = export(tmp_path, *(argument.format(pruned=pruned) for argument in arguments))
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == before
