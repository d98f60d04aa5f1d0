"""The ablation runs to its end by one command, and goes on where it was stopped."""

import json
import math
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prune.driver import PrunedMatrix, prune_blocks
from prune.gguf_file import GGUFFile
from tests.assistant.small_world import BASE, small_world

__all__ = ["small_world"]

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
SIZES = {"--tokens": 512, "--training-tokens": 256, "--sequence-length": 128, "--held-out": 128, "--window": 64}


def table(capsys: pytest.CaptureFixture[str]) -> dict[str, list[float]]:
    """The figures of each row."""
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    return {name: [float(figure) for figure in figures] for name, *figures in rows}


@pytest.fixture
def ablation(small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments that all runs here have."""
    tasks = tmp_path / "tasks.jsonl"
    task = {"prompt": "def double(value):\n", "canonical_solution": "    return value * 2\n"}
    tasks.write_text(json.dumps(task) + "\n")
    monkeypatch.syspath_prepend(str(FOLDER))
    sizes = [str(part) for pair in SIZES.items() for part in pair]
    return ["ablation.py", "--base", BASE, "--tasks", str(tasks), "--results", str(tmp_path / "results.jsonl"), *sizes]


def run(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(str(FOLDER / "ablation.py"), run_name="__main__")


def test_every_variant_is_measured_once(
    ablation: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(ablation, monkeypatch)
    rows = table(capsys)
    assert len(rows) == 1 + 16
    assert all(math.isfinite(figure) for figures in rows.values() for figure in figures)
    assert rows["base"][1] == 1
    pruned = [rows[f"wanda/unstructured/{name}"][0] for name in ("none", "distillation", "none@java")]
    assert len({rows["base"][0], *pruned}) == 4
    results = tmp_path / "results.jsonl"
    kept = results.read_text().splitlines()
    results.write_text("\n".join(kept[:-1]) + "\n")  # as if it had been stopped before the last
    measured: list[Path] = []

    def counted(file: GGUFFile, *arguments: Any) -> Iterator[PrunedMatrix]:
        measured.append(file.path)
        return prune_blocks(file, *arguments)

    monkeypatch.setattr("prune.driver.prune_blocks", counted)
    run(ablation, monkeypatch)
    assert len(measured) == 1
    again = table(capsys)
    assert {name: figures[:3] for name, figures in again.items()} == {name: row[:3] for name, row in rows.items()}
