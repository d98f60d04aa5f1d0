"""The table of languages and sub-models: what is built for it, what is measured, and how it is shown."""

from pathlib import Path
from typing import Any

import pytest

from assistant.engine.cancellation import Cancellation
from assistant.errors import EvaluationError, UsageError
from assistant.evaluation.functions import FunctionOptions
from assistant.evaluation.making import MadeModels
from assistant.evaluation.matrix import Listener, MatrixRequest, general, matrix
from assistant.evaluation.matrix_table import matrix_tables
from assistant.evaluation.page import page
from assistant.evaluation.ratios import perplexity_ratio
from assistant.evaluation.request import EvaluationRequest
from assistant.languages import Language
from assistant.recipe import Recipe
from assistant.recipe_files import recipe_called
from assistant.settings import load_settings
from assistant.store import Store
from tests.assistant.evaluation.test_programs import TASKS
from tests.assistant.small_world import BASE, small_world

__all__ = ["small_world"]


class Heard:
    """What was said, and how many steps of building and measuring there were."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.built: list[str] = []
        self.measured: list[tuple[str, int]] = []

    def listener(self) -> Listener:
        return Listener(
            lambda label, done, of: self.measured.append((label, of - done)),
            lambda step, fraction: self.built.append(step),
            self.notes.append,
            Cancellation(),
        )


def test_all_models_are_built_once_and_measured_once(small_world: Path, tmp_path: Path, sandbox: Any) -> None:
    tasks = tmp_path / "python.jsonl"
    tasks.write_text(TASKS[".py"].model_dump_json() + "\n")
    asked = EvaluationRequest(tasks=(tasks,), functions=(FunctionOptions(max_tokens=4),), limit=1)
    request = MatrixRequest(asked, recipe_called(str(tmp_path / "small.toml"), {}), BASE)

    first = Heard()
    answer = matrix(request, first.listener())
    rows = answer["matrix"]["rows"]
    assert list(rows) == ["dense", "python", "java", "general"]
    assert len(set(rows.values())) == 4
    assert [note.split(" is left out")[0] for note in first.notes if "left out" in note] == ["C++", "JavaScript"]
    assert Store(small_world).submodels() == []  # they would serve editors
    made = {entry.name: entry.manifest for entry in MadeModels(load_settings()).store.submodels()}
    assert [made[rows[row]].language for row in ("python", "java")] == [Language.PYTHON, Language.JAVA]
    assert made[rows["general"]].recipe["other_share"] == pytest.approx(0.75 * (1 - Recipe().chat_share))

    functions, predictions = matrix_tables(answer)
    assert functions.languages == (Language.PYTHON,)
    assert predictions.languages == (Language.PYTHON, Language.JAVA)
    assert list(predictions.rows["dense"]) == [1.0, 1.0]
    by_name = {model["model"]: model["measurements"] for model in answer["models"]}
    column = predictions.languages.index(Language.JAVA)
    label = "java found here"
    expected = perplexity_ratio(by_name[rows["python"]][label], by_name[rows["dense"]][label])
    assert predictions.rows["python"][column] == pytest.approx(expected)

    again = Heard()
    repeated = matrix(request, again.listener())
    assert repeated["models"] == answer["models"]
    assert again.built == []
    assert again.measured == []
    made_page = page(answer)
    assert made_page.count("<td class=own>") == 3
    assert "all four languages" in made_page


def test_what_was_not_built_is_told_and_not_built_when_only_results_are_asked_for(
    small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_called(str(tmp_path / "small.toml"), {})
    tasks = tmp_path / "java.jsonl"
    tasks.write_text(TASKS[".java"].model_dump_json() + "\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    heard = Heard()
    asked = EvaluationRequest(tasks=(tasks,), only_kept=True, limit=1)
    with pytest.raises(EvaluationError, match="nothing to compare"):
        matrix(MatrixRequest(asked, recipe, BASE), heard.listener())
    assert f"{tasks} is skipped: no JDK was found (javac and java on PATH)." in heard.notes
    assert heard.built == []
    assert len([note for note in heard.notes if "is not built" in note]) == 3


def test_two_files_of_a_language_are_refused(small_world: Path, tmp_path: Path) -> None:
    tasks = tmp_path / "java.jsonl"
    tasks.write_text(TASKS[".java"].model_dump_json() + "\n")
    asked = EvaluationRequest(tasks=(tasks, tasks))
    with pytest.raises(UsageError, match="Two files of tasks are in Java"):
        matrix(MatrixRequest(asked, Recipe(), BASE), Heard().listener())


def test_a_table_is_summed_up_for_each_language() -> None:
    labels = {"python": "p", "java": "j"}
    figures = {
        "dense": (0.6, 0.5),
        "python": (0.5, 0.2),
        "java": (0.3, 0.4),
        "cpp": (0.1, None),
        "general": (0.45, 0.3),
    }
    answer = {
        "models": [
            {"model": row, "measurements": {"p": {"f": p}, **({} if j is None else {"j": {"f": j}})}}
            for row, (p, j) in figures.items()
        ],
        "matrix": {
            "rows": {row: row for row in figures},
            "parts": [{"title": "t", "figure": "f", "labels": labels}],
        },
    }
    (table,) = matrix_tables(answer)
    summary = table.summary()
    assert summary[Language.PYTHON] == {"dense": 0.6, "own": 0.5, "others": pytest.approx(0.2), "general": 0.45}
    assert summary[Language.JAVA] == {"dense": 0.5, "own": 0.4, "others": pytest.approx(0.2), "general": 0.3}


def test_general_calibration_takes_equal_shares_beside_chats() -> None:
    recipe = general(Recipe(chat_share=0.2, project_share=0.5))
    assert (recipe.project_share, recipe.chat_share, recipe.other_share) == (0.0, 0.2, pytest.approx(0.6))
