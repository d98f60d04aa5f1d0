"""docs/results.md: its tables are what docs/measured has, and writing them leaves the text around them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The script with a document and a folder of measurements of its own."""
    shutil.copytree(ROOT / "scripts" / "results", tmp_path / "scripts" / "results")
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.png", "*.svg"))
    return tmp_path


def written(copy: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, copy / "scripts" / "results", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return (copy / "docs" / "results.md").read_text()


def test_the_document_is_what_was_measured(copy: Path) -> None:
    assert written(copy) == (ROOT / "docs" / "results.md").read_text(), "run `make results`"


def test_a_row_is_told_with_its_interval_and_its_difference(copy: Path) -> None:
    figures = {"java, completion": {"tasks": 82, "pass@1": 0.5}}
    difference = {
        "measurement": "java, completion",
        "figure": "pass@1",
        "difference": -0.25,
        "low": -0.5,
        "high": -0.125,
        "p_value": 0.004,
    }
    row = {
        "date": "2020-02-03T04:05:06+00:00",
        "machine": {"processor": "Abacus", "cores": 3, "memory GB": 1.5},
        "versions": {"sned": "9.9"},
        "model": "m",
        "sha256": "0",
        "bytes": 5_000_000,
        "sparse_bytes": 4_000_000,
        "measurements": figures,
        "differences": [difference],
    }
    before = (copy / "docs" / "results.md").read_text()
    (copy / "docs" / "measured" / "functions-java.json").write_text(json.dumps({"0.5B, Java, fast": row}))
    text = written(copy)
    line = next(line for line in text.splitlines() if line.startswith("| 0.5B, Java, fast | 5 as q8_0 (sparse 4) |"))
    assert "| 0.500 (41 of 82; 0.39 to 0.61) | -0.250 (-0.500 to -0.125, p = 0.004) |" in line
    assert "2020-02-03; Abacus, 3 cores, 1.5 GB; sned 9.9." in text
    assert "| 0.5B, Java, balanced |  | not measured yet |" in text

    def prose(document: str) -> list[str]:
        return [line for line in document.splitlines() if not line.startswith(("|", "`sned eval"))]

    assert prose(text) == prose(before)


def test_a_table_of_languages_has_multiples_of_the_dense_model(copy: Path) -> None:
    def row(perplexity: float) -> dict[str, Any]:
        return {"measurements": {"cpp found here": {"tasks": 12, "perplexity": perplexity, "bits per byte": 1.0}}} | {
            "date": "2020-02-03T04:05:06+00:00",
            "machine": {"processor": "Abacus", "cores": 3, "memory GB": 1.5},
            "versions": {},
            "sha256": "0",
            "bytes": 1,
            "differences": [],
        }

    rows = {"0.5B, Q4_K_M": row(4.0), "0.5B, Java, fast": row(6.0)}
    (copy / "docs" / "measured" / "predictions-cpp.json").write_text(json.dumps(rows))
    table = written(copy).split("<!-- table: languages-predictions -->")[1].split("<!--")[0]
    heads, _, *lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.strip().splitlines()]
    cpp = {line[0]: line[heads.index("C++")] for line in lines}
    assert cpp["0.5B, Q4_K_M"] == "1.000"
    assert cpp["0.5B, Java, fast"] == "1.500"
    assert cpp["0.5B, C++, fast"] == "not measured yet"


def test_a_table_that_is_not_there_is_missed(copy: Path) -> None:
    document = copy / "docs" / "results.md"
    document.write_text(document.read_text().replace("<!-- table: cost -->", ""))
    done = subprocess.run([sys.executable, copy / "scripts" / "results"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "'cost'" in done.stderr
