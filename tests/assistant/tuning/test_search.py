"""The search over recipes, with figures that are given; sizes as files have them; limits as users write them."""

import dataclasses
import tomllib
from pathlib import Path

import gguf
import numpy as np
import pytest

from assistant.engine.requantising import requantise
from assistant.errors import UsageError
from assistant.recipe import Recipe
from assistant.recipe_files import recipe_called
from assistant.tuning.candidates import Candidate, candidates
from assistant.tuning.limits import Limits, parse_bytes, parse_seconds
from assistant.tuning.recipe_text import recipe_text
from assistant.tuning.search import Outcome, OutOfTimeError, Row, UnbuildableError, search
from assistant.tuning.sizes import predicted_size, rounded_size
from prune.gguf_file import GGUFFile
from tests.prune.tiny_models import HIDDEN, VOCABULARY, write_tiny_model

_MB = 10**6


class GivenFigures:
    """A laboratory where figures follow from the recipe, that counts what it is asked."""

    def __init__(self, *, has_tasks: bool = False, budget: int = 1000, solved: dict[str, float] | None = None) -> None:
        self.has_tasks = has_tasks
        self.asked: list[Candidate] = []
        self.tested: list[Candidate] = []
        self.unbuildable: set[float] = set()
        self.rounded = 495
        self._budget, self._solved = budget, solved or {}

    def size(self, candidate: Candidate) -> int:
        if candidate.recipe is None:
            return 500 * _MB if candidate.file_type is None else self.rounded * _MB
        return (600 if candidate.recipe.vocabulary == "whole" else 450) * _MB

    def perplexity_ratio(self, candidate: Candidate) -> float:
        if len(self.asked) == self._budget:
            raise OutOfTimeError
        recipe = candidate.recipe
        if recipe is not None and recipe.sparsity in self.unbuildable:
            raise UnbuildableError("there is too little code")
        self.asked.append(candidate)
        if recipe is None:
            return 1.0 if candidate.file_type is None else 1.05
        lost = recipe.sparsity + (0.2 if recipe.pattern != "unstructured" else 0.0)
        return 1.0 + lost * (1.0 if recipe.reconstruction == "none" else 0.5)

    def solved(self, candidate: Candidate) -> float | None:
        self.tested.append(candidate)
        return self._solved.get(candidate.label, 0.5)

    def seconds(self, candidate: Candidate) -> float:
        return 3.0 if candidate.recipe is not None and candidate.recipe.vocabulary == "trimmed" else 5.0


def searched(laboratory: GivenFigures, limits: Limits | None = None) -> Outcome:
    return search(candidates(["b"]), limits or Limits(), laboratory, lambda text: None)


def why(outcome: Outcome, label: str) -> Row:
    (row,) = [row for row in outcome.rows if row.candidate.label == label]
    return row


def test_without_limits_the_base_model_as_it_is_is_best() -> None:
    outcome = searched(GivenFigures())
    assert outcome.complete
    assert outcome.recommended is not None
    assert outcome.recommended.candidate == Candidate("b")


def test_what_is_too_large_is_neither_built_nor_recommended() -> None:
    laboratory = GivenFigures()
    outcome = searched(laboratory, Limits(most_bytes=460 * _MB))
    assert outcome.recommended is not None
    assert outcome.recommended.candidate.label == "b, 30%, distillation, trimmed"
    assert all(each.recipe is not None and each.recipe.vocabulary == "trimmed" for each in laboratory.asked)
    assert why(outcome, "b, dense").dropped == "500 MB is more than 460"


def test_a_base_model_rounded_is_recommended_where_it_loses_less_than_pruning() -> None:
    laboratory = GivenFigures()
    laboratory.rounded = 440
    outcome = searched(laboratory, Limits(most_bytes=460 * _MB))
    assert outcome.recommended is not None
    assert outcome.recommended.candidate == Candidate("b", file_type="Q4_0")
    assert outcome.recommended.candidate.label == "b, Q4_0"


def test_rounding_that_saves_nothing_is_not_tried() -> None:
    laboratory = GivenFigures()
    outcome = searched(laboratory)
    assert why(outcome, "b, Q3_K_S").dropped == "it is hardly smaller than the base model as it is"
    assert all(each.file_type is None for each in laboratory.asked)


def test_half_of_the_masks_go_before_anything_is_trained() -> None:
    laboratory = GivenFigures()
    outcome = searched(laboratory)
    trained = [each for each in laboratory.asked if each.recipe and each.recipe.reconstruction == "distillation"]
    assert {each.recipe.sparsity for each in trained if each.recipe} == {0.3, 0.4}
    assert "its mask gives 1.50 times" in (why(outcome, "b, 50%, distillation").dropped or "")
    assert all(row.dropped is None or row.dropped for row in outcome.rows)


def test_tasks_decide_over_perplexity_among_what_is_left() -> None:
    best = "b, 30%, distillation"
    laboratory = GivenFigures(has_tasks=True, solved={best: 1.1, "b, dense": 1.0})
    outcome = searched(laboratory)
    assert outcome.recommended is not None
    assert outcome.recommended.candidate.label == best
    assert outcome.recommended.quality == 1.1
    assert len(laboratory.tested) == sum(row.solved is not None for row in outcome.rows) < len(outcome.rows) / 2


def test_nothing_is_recommended_where_nothing_keeps_to_the_limits() -> None:
    outcome = searched(GivenFigures(), Limits(most_bytes=460 * _MB, least_quality=0.95))
    assert outcome.recommended is None
    assert (
        why(outcome, "b, 30%, distillation, trimmed").dropped == "0.87 of the dense model's quality is less than 0.95"
    )


def test_speed_is_measured_where_it_is_limited_and_smaller_forms_are_kept_for_it() -> None:
    outcome = searched(GivenFigures(), Limits(most_seconds=4))
    assert outcome.recommended is not None
    assert outcome.recommended.candidate.label == "b, 30%, distillation, trimmed"
    assert why(outcome, "b, dense").dropped == "5.0 s to the first suggestion is more than 4"


@pytest.mark.parametrize("budget", range(7))
def test_out_of_time_it_says_what_was_not_measured(budget: int) -> None:
    outcome = searched(GivenFigures(budget=budget))
    assert not outcome.complete
    assert any(row.dropped == "no time was left to measure it" for row in outcome.rows)
    assert (outcome.recommended is None) is (budget == 0)


def test_what_cannot_be_built_is_told_and_the_rest_is_searched() -> None:
    laboratory = GivenFigures()
    laboratory.unbuildable = {0.3}
    outcome = searched(laboratory, Limits(most_bytes=460 * _MB))
    assert outcome.recommended is not None
    assert outcome.recommended.candidate.label == "b, 40%, distillation, trimmed"
    assert why(outcome, "b, 30%, distillation, trimmed").dropped == "there is too little code"


@pytest.mark.parametrize("kind", [gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.F32])
def test_a_plain_files_size_is_known_beforehand(kind: gguf.GGMLQuantizationType, tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "tiny.gguf", "qwen2", kind).path
    rounded = write_tiny_model(tmp_path / "rounded.gguf", "qwen2", gguf.GGMLQuantizationType.Q8_0).path
    with GGUFFile(path) as base, GGUFFile(rounded) as as_written:
        kept = base.tensor("token_embd.weight").size - as_written.tensor("token_embd.weight").size
        plain = Recipe(values="q8_0", block=32)
        assert predicted_size(base, plain) == pytest.approx(rounded.stat().st_size + kept, rel=0.02)
        trimmed = predicted_size(base, dataclasses.replace(plain, vocabulary="trimmed"))
    assert trimmed <= rounded.stat().st_size + kept


@pytest.mark.parametrize("file_type", ["Q4_0", "Q3_K_S"])
@pytest.mark.parametrize("has_output", [True, False])
def test_a_rounded_files_size_is_known_beforehand(file_type: str, has_output: bool, tmp_path: Path) -> None:
    more = {"output.weight": np.ones((VOCABULARY, HIDDEN), dtype=np.float32)} if has_output else None
    path = write_tiny_model(tmp_path / "tiny.gguf", "qwen2", replace=more).path
    requantise(path, file_type, tmp_path / "rounded.gguf")
    with GGUFFile(path) as base, GGUFFile(tmp_path / "rounded.gguf") as rounded:
        metadata = [
            file.path.stat().st_size - sum(info.size for info in file.tensors.values()) for file in (base, rounded)
        ]
        assert rounded_size(base, file_type) - metadata[0] == rounded.path.stat().st_size - metadata[1]


def test_a_recipe_survives_its_file(tmp_path: Path) -> None:
    recipe = Recipe(pattern="4:8", sparsity=0.5, vocabulary="whole", seed=7)
    (tmp_path / "r.toml").write_text(recipe_text(recipe, "one\ntwo"))
    assert recipe_called(str(tmp_path / "r.toml"), {}) == recipe
    assert tomllib.loads((tmp_path / "r.toml").read_text()) == recipe.as_dict()


@pytest.mark.parametrize(("text", "number"), [("350M", 350 * _MB), ("1.2 GB", 1200 * _MB), ("500", 500), ("7kb", 7000)])
def test_bytes_are_read(text: str, number: int) -> None:
    assert parse_bytes(text) == number


@pytest.mark.parametrize(("text", "seconds"), [("2h", 7200), ("30min", 1800), ("90", 90), ("1.5m", 90)])
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "many", "-5M", "0", "5 parsecs", "1e9", "5M5"])
def test_what_is_no_number_is_refused(text: str) -> None:
    for parse in (parse_bytes, parse_seconds):
        with pytest.raises(UsageError, match="is not a"):
            parse(text)
