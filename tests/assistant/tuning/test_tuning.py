"""`sned tune` on a tiny model: what is built and measured, kept, gone on from, and written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assistant.build import BuildRequest, build
from assistant.engine.cancellation import Cancellation
from assistant.errors import UsageError
from assistant.evaluation.matrix import Listener
from assistant.evaluation.request import EvaluationRequest
from assistant.languages import Language
from assistant.recipe_files import recipe_called
from assistant.store import Store
from assistant.tuning import candidates as candidates_module
from assistant.tuning.limits import Limits
from assistant.tuning.sizes import predicted_size
from assistant.tuning.tuning import TuningRequest, tune
from prune.gguf_file import GGUFFile
from tests.assistant.evaluation.test_programs import TASKS
from tests.assistant.small_world import BASE, code, small_world

__all__ = ["small_world"]


@pytest.fixture
def request_for(small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TuningRequest]:
    """A tuning of a small project over few and small recipes; dense models are too large for its limit."""
    project = tmp_path / "project"
    project.mkdir()
    for number in range(3):
        (project / f"mine_{number}.py").write_text(code(Language.PYTHON, 100 + number))
    monkeypatch.setattr(candidates_module, "DEFAULT_RECIPE", str(tmp_path / "small.toml"))
    monkeypatch.setattr(candidates_module, "_RECONSTRUCTIONS", ("none", "least-squares"))
    monkeypatch.setattr(candidates_module, "_MASKS", ({"sparsity": 0.4}, {"sparsity": 0.5}, {"sparsity": 0.9}))
    monkeypatch.setattr(candidates_module, "_ROUNDED", ())
    limits = Limits(most_bytes=small_world.joinpath("bases", BASE, "model.gguf").stat().st_size - 1)

    def make(**others: Any) -> TuningRequest:
        asked = EvaluationRequest(limit=2, again=others.pop("again", False))
        return TuningRequest(**{"project": project, "bases": (BASE,), "limits": limits, "evaluation": asked} | others)

    return make


class Heard:
    """What was built and measured."""

    def __init__(self, interrupt_at: str | None = None) -> None:
        self.built: list[str] = []
        self.measured: list[str] = []
        self._interrupt_at = interrupt_at

    def listener(self) -> Listener:
        return Listener(
            lambda label, done, of: self.measured.append(label),
            lambda step, fraction: self.built.append(step),
            self._note,
            Cancellation(),
        )

    def _note(self, text: str) -> None:
        if self._interrupt_at is not None and self._interrupt_at in text:
            raise KeyboardInterrupt


def files_made(home: Path) -> int:
    return len(Store(home / "evaluations" / "models").submodels())


def test_a_search_goes_on_where_it_was_and_gives_a_recipe(
    request_for: Callable[..., TuningRequest], small_world: Path
) -> None:
    interrupted = Heard("90%, pruned alone")
    with pytest.raises(KeyboardInterrupt):
        tune(request_for(), interrupted.listener())
    before = files_made(small_world)
    assert before == 2

    whole = Heard()
    answer = tune(request_for(), whole.listener())
    assert answer["complete"]
    # Pruned alone, one was missing yet; then the two masks that are left are reconstructed.
    assert whole.built.count("Reading calibration text") == 3
    recommended = answer["recommended"]
    assert recommended["bytes"] <= request_for().limits.most_bytes
    recipe = recipe_called(answer["recipe_file"], {})
    assert recipe.as_dict() == recommended["recipe"]
    assert files_made(small_world) == 1
    assert Store(small_world).submodels() == []
    dropped = {each["candidate"]: each["dropped"] for each in answer["candidates"]}
    assert "MB is more than" in dropped[f"{BASE}, dense"]
    assert len({label.split(", ")[1] for label, why in dropped.items() if why and "its mask gives" in why}) == 1

    again = Heard()
    assert tune(request_for(), again.listener())["candidates"] == answer["candidates"]
    assert (again.built, again.measured) == ([], [])


@pytest.mark.parametrize("form", [{"values": "int8"}, {"values": "int4"}, {"values": "int4", "pattern": "4:8"}])
def test_a_sparse_files_size_is_known_beforehand(small_world: Path, tmp_path: Path, form: dict[str, str]) -> None:
    recipe = recipe_called(str(tmp_path / "small.toml"), {"sparsity": None, **form})
    base = Store(small_world).base(BASE)
    assert base is not None
    made = build(BuildRequest(base, Language.PYTHON, recipe, None), Store(small_world)).entry
    with GGUFFile(base.path) as file:
        assert predicted_size(file, recipe) == pytest.approx(
            made.manifest.size, rel=0.05
        )  # names and metadata weigh more in a tiny one


def test_a_recipe_that_somebody_wrote_is_not_overwritten(
    request_for: Callable[..., TuningRequest], tmp_path: Path
) -> None:
    heard = Heard()
    with pytest.raises(UsageError, match=r"small\.toml is there already"):
        tune(request_for(out=tmp_path / "small.toml"), heard.listener())
    assert heard.built == []


def test_out_of_budget_it_recommends_nothing_it_has_not_measured(request_for: Callable[..., TuningRequest]) -> None:
    answer = tune(request_for(budget=0.0), Heard().listener())
    assert not answer["complete"]
    assert answer["recommended"] is None
    assert answer["recipe_file"] is None


def test_without_limits_the_base_is_measured_and_no_file_of_a_recipe_is_written(
    request_for: Callable[..., TuningRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates_module, "_MASKS", ())
    answer = tune(request_for(limits=Limits()), Heard().listener())
    assert answer["recommended"]["candidate"] == f"{BASE}, dense"
    assert answer["recommended"]["quality"] == 1.0
    assert answer["recipe_file"] is None


def test_a_base_model_rounded_is_made_measured_and_kept(
    request_for: Callable[..., TuningRequest], small_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates_module, "_MASKS", ())
    monkeypatch.setattr(candidates_module, "_ROUNDED", ("Q4_0", "Q3_K_S"))
    answer = tune(request_for(), Heard().listener())
    recommended, file = answer["recommended"], Path(answer["file"])
    assert recommended["file_type"] in file.name
    assert file.stat().st_size == recommended["bytes"]
    assert recommended["perplexity_ratio"] != 1.0
    assert list(file.parent.iterdir()) == [file]
    assert answer["recipe_file"] is None

    file.unlink()
    again = Heard()
    assert tune(request_for(), again.listener())["candidates"] == answer["candidates"]
    assert file.is_file()
    assert again.measured == []


def test_tasks_in_another_language_are_refused(request_for: Callable[..., TuningRequest], tmp_path: Path) -> None:
    tasks = tmp_path / "java.jsonl"
    tasks.write_text(TASKS[".java"].model_dump_json() + "\n")
    asked = EvaluationRequest(tasks=(tasks,), limit=1)
    with pytest.raises(UsageError, match="is in Python"):
        tune(request_for(evaluation=asked), Heard().listener())
