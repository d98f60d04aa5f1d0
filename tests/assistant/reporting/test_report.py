"""Reports of tiny models: what the table, the data and the page say, and that names stay text."""

import json
from pathlib import Path

import numpy as np
import pytest

from assistant.cli.app import main
from assistant.errors import UsageError
from assistant.languages import Language
from assistant.reporting.answer import as_data, table_lines
from assistant.reporting.evidence import Evidence, ReportedModel, gather
from assistant.reporting.page import page
from assistant.reporting.plots import plots
from tests.prune import tiny_models as tiny

MATRIX = "blk.2.ffn_up.weight"


def write(path: Path, kept: float, seed: int, architecture: str = "qwen2") -> Path:
    """A model of whose matrices a random part is kept; those of block 0 are the same for every seed."""
    shared, own = np.random.default_rng(0), np.random.default_rng(seed)
    whole = tiny.write_tiny_model(path.with_suffix(".whole"), architecture)
    masked = {
        name: values * ((shared if name.startswith("blk.0") else own).random(values.shape) < kept).astype(np.float32)
        for name, values in whole.weights.items()
        if name.startswith("blk.") and values.ndim == 2
    }
    tiny.write_tiny_model(path, architecture, replace=masked)
    return path


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    folder = tmp_path_factory.mktemp("models")
    return gather(
        [
            ReportedModel("<b>one</b>", write(folder / "a.gguf", 0.5, 1), errors={MATRIX: 0.125}),
            ReportedModel("two$x$", write(folder / "b.gguf", 0.5, 2)),
        ]
    )


def test_models_are_compared_layer_by_layer(evidence: Evidence) -> None:
    data = as_data(evidence)
    (comparison,) = data["comparisons"]
    assert comparison["distance_by_block"][0] == 0.0
    assert comparison["distance_by_block"][1:] == pytest.approx([2 / 3, 2 / 3], abs=0.02)
    assert comparison["distance_by_chance"] == pytest.approx(2 / 3, abs=0.01)
    assert [model["sparsity"] for model in data["models"]] == pytest.approx([0.5, 0.5], abs=0.01)
    assert {each["block"] for each in data["most_different_blocks"][:2]} == {1, 2}
    assert data["models"][0]["error_by_matrix"] == {MATRIX: 0.125}
    assert data["models"][0]["error_by_block"] == [None, None, 0.125]
    assert len(comparison["distance_by_matrix"]) == 7 * tiny.BLOCKS
    assert json.loads(json.dumps(data)) == data


def test_the_table_has_a_line_for_each_layer(evidence: Evidence) -> None:
    lines = table_lines(evidence)
    start = next(number for number, line in enumerate(lines) if line.startswith("layer"))
    rows = [line.split() for line in lines[start + 1 : start + 2 + tiny.BLOCKS]]
    assert [row[0] for row in rows] == ["0", "1", "2", "all"]
    assert rows[0][4] == "0.000"
    assert all(float(cell) == pytest.approx(0.5, abs=0.03) for row in rows for cell in row[1:3])
    assert [row[3] for row in rows] == ["nan", "nan", "0.125", "0.125"]
    assert "  3  error     <b>one</b>" in lines
    assert any(line.startswith("Layers that differ most: ") for line in lines)


def test_names_are_text_in_the_page(evidence: Evidence) -> None:
    text = page(evidence)
    assert "<b>one" not in text
    assert "&lt;b&gt;one&lt;/b&gt;" in text
    assert "<script" not in text
    assert "http" not in text, "the page asks for something from elsewhere"
    assert text.count("<td style=") >= 3 * 7 * tiny.BLOCKS
    assert ">0.125</td>" in text


def test_without_measured_errors_the_page_says_so(tmp_path: Path) -> None:
    alone = gather([ReportedModel("alone", write(tmp_path / "a.gguf", 0.7, 1))])
    text = page(alone)
    assert "The builds of these models did not measure it." in text
    assert "Name two models or more" in text
    assert as_data(alone)["comparisons"] == []
    assert not any("distance" in line for line in table_lines(alone))


def test_pictures_are_pngs_and_names_no_formulas(evidence: Evidence) -> None:
    pytest.importorskip("matplotlib")
    pictures = plots(evidence)
    assert list(pictures) == ["sparsity.png", "distance.png", "error.png"]
    assert all(content.startswith(b"\x89PNG\r\n") and len(content) > 5000 for content in pictures.values())


def test_languages_label_models_where_each_has_its_own(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.gguf", 0.5, n) for n in (1, 2)]
    languages = [Language.CPP, Language.JAVA]
    models = [ReportedModel(f"m{n}", path, one) for n, (path, one) in enumerate(zip(paths, languages, strict=True))]
    assert gather(models).labels == ["C++", "Java"]
    assert gather([models[0], ReportedModel("m1", paths[1], Language.CPP)]).labels == ["m0", "m1"]


def test_models_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a.gguf", 0.5, 1), write(tmp_path / "b.gguf", 0.5, 2)
    with pytest.raises(UsageError, match="twice is named twice"):
        gather([ReportedModel("twice", one), ReportedModel("twice", one)])
    wider = {MATRIX: np.zeros((tiny.INTERMEDIATE + 1, tiny.HIDDEN), dtype=np.float32)}
    tiny.write_tiny_model(other, "qwen2", replace=wider)
    with pytest.raises(UsageError, match=rf"a and b are not of one base model \({MATRIX} is 96 x 64 and 97 x 64\)"):
        gather([ReportedModel("a", one), ReportedModel("b", other)])


def test_the_command_writes_a_page_and_answers_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNED_HOME", str(tmp_path / "home"))
    models = [str(write(tmp_path / f"{n}.gguf", 0.5, n)) for n in (1, 2)]
    out = tmp_path / "report"
    assert main(["report", *models, "--out", str(out), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["written"][0] == str(out / "report.html")
    assert all(Path(path).stat().st_size for path in answer["written"])
    assert "1 / 2" in (out / "report.html").read_text(encoding="utf-8")
    assert main(["report", *models, "--out", str(out)]) == 0  # again: replaced
    assert "Layers that differ most" in capsys.readouterr().out
    assert main(["report", str(tmp_path / "none.gguf")]) == 2
    assert main(["report", models[0], "--out", models[1]]) == 2
    assert "is a file; name a folder" in capsys.readouterr().err
