"""Evaluations without a folder: perplexity of code found here, beside the base, and telling what was measured."""

from pathlib import Path

import pytest

from assistant.build import BuildRequest, build
from assistant.engine.cancellation import Cancellation
from assistant.errors import UsageError
from assistant.evaluation.ratios import RATIO
from assistant.evaluation.request import EvaluationRequest
from assistant.evaluation.running import evaluated
from assistant.languages import Language
from assistant.manifest import PERPLEXITY_RATIO
from assistant.quality import read_quality
from assistant.recipe_files import recipe_called
from assistant.store import Store
from tests.assistant.small_world import BASE, small_world

__all__ = ["small_world"]


def asked(request: EvaluationRequest) -> tuple[dict[str, object], list[str]]:
    """The answer, and what was measured for it."""
    heard: list[str] = []
    answer = evaluated(request, lambda label, done, of: heard.append(label), heard.append, Cancellation())
    return answer, heard


def test_a_submodel_is_measured_beside_its_base_which_need_not_be_named(small_world: Path, tmp_path: Path) -> None:
    store = Store(small_world)
    base = store.base(BASE)
    assert base is not None
    recipe = recipe_called(str(tmp_path / "small.toml"), {"sparsity": 0.9})
    made = build(BuildRequest(base, Language.JAVA, recipe, None), store).entry

    nothing, heard = asked(EvaluationRequest(models=(made.name,), perplexity=True, only_kept=True))
    assert heard == []
    (model,) = nothing["models"]  # type: ignore[misc]
    assert model["missing"] == {"java found here": pytest.approx(4, abs=6)}
    assert model["measurements"] == {}

    answer, heard = asked(EvaluationRequest(models=(made.name,), perplexity=True))
    assert {f"{made.name}: java found here", f"{BASE}: java found here"} == set(heard)
    (model,) = answer["models"]  # type: ignore[misc]
    summary = model["measurements"]["java found here"]
    assert read_quality(small_world, made.manifest.sha256)[PERPLEXITY_RATIO] == summary[RATIO]

    both, heard = asked(EvaluationRequest(models=(BASE, made.name), perplexity=True, language="java"))
    assert heard == []
    dense, pruned = (each["measurements"]["java found here"] for each in both["models"])  # type: ignore[attr-defined]
    assert summary[RATIO] == pytest.approx(pruned["perplexity"] / dense["perplexity"])
    assert RATIO not in dense


def test_a_language_without_code_is_told(small_world: Path) -> None:
    with pytest.raises(UsageError, match="nothing to measure"):
        asked(EvaluationRequest(models=(BASE,), perplexity=True, language="cpp"))
    with pytest.raises(UsageError, match="name one with --language"):
        asked(EvaluationRequest(models=(BASE,), perplexity=True))
