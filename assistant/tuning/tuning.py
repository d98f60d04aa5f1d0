"""A whole tuning: what is searched, and what comes of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from assistant.build_choices import base_to_build_from, language_to_build_for
from assistant.catalog import load_catalog
from assistant.corpus import corpus_advice
from assistant.durable import write_text
from assistant.errors import EvaluationError, UsageError
from assistant.evaluation.circumstances import circumstances
from assistant.evaluation.matrix import Listener
from assistant.evaluation.measurement import Measurement
from assistant.evaluation.own_code import own_documents
from assistant.evaluation.predicting import PredictionMeasurement
from assistant.evaluation.project_measurements import predictions_found_here
from assistant.evaluation.request import EvaluationRequest, language_of, measurements_of
from assistant.evaluation.tasks import FunctionTask, read_tasks
from assistant.languages import Language
from assistant.settings import Settings, load_settings
from assistant.store import BaseEntry, Store
from assistant.tuning.candidates import candidates
from assistant.tuning.laboratory import Bench, MachineLaboratory
from assistant.tuning.limits import Limits
from assistant.tuning.recipe_text import recipe_text
from assistant.tuning.search import Outcome, Row, search

_FILES = 12
_CHOSEN = "chosen by sned tune"


@dataclass(frozen=True, slots=True)
class TuningRequest:
    """What is searched for.

    Attributes:
        project: whose code is calibrated on.
        language: its own by default.
        bases: to cut from, the first of which is what quality is a share of; by default the settings' or the catalog's
            base, and the other base models that are in the store.
        limits: what the answer keeps to.
        budget: seconds; what was measured before takes none.
        evaluation: tasks and how they are asked, and how models are loaded.
        out: where the recipe goes; None for a file in the store.
    """

    project: Path
    language: str | None = None
    bases: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    budget: float = 7200.0
    evaluation: EvaluationRequest = field(default_factory=EvaluationRequest)
    out: Path | None = None


def tune(request: TuningRequest, listener: Listener) -> dict[str, Any]:
    """Searches, writes the recipe that is recommended, and gives all candidates with why they were dropped, as JSON.

    Raises:
        UsageError: there is no project, language, base model or file of that name, or `out` is somebody's file.
        EvaluationError: there is nothing that quality could be measured on, or no sandbox for tasks.
        EngineError: a model fails.
        OSError: the recipe cannot be written.
        KeyboardInterrupt: it was cancelled; what was measured is kept.
    """
    settings = load_settings()
    language = language_to_build_for(request.project, request.language)
    out = request.out or settings.home / "recipes" / f"tuned-{language.value}.toml"
    _refuse_others_file(out)
    bases = _bases(request, settings)
    bench = Bench(
        language,
        request.project,
        bases,
        _predictions(request, language, settings),
        _functions(request, language, settings, listener),
        request.evaluation,
    )
    laboratory = MachineLaboratory(bench, settings, listener, time.monotonic() + request.budget)
    if request.evaluation.again:
        laboratory.forget()
    outcome = search(candidates(list(bases)), request.limits, laboratory, listener.note)
    recommended = outcome.recommended
    if outcome.complete:
        laboratory.clear(recommended.candidate if recommended is not None else None)
    answer = _answer(outcome, bases)
    if recommended is not None and recommended.candidate.file_type is not None:
        answer["file"] = str(laboratory.rounded_file(recommended.candidate))
    if recommended is not None and recommended.candidate.recipe is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, recipe_text(recommended.candidate.recipe, _remarks(recommended, answer["date"])))
        answer["recipe_file"] = str(out)
    return answer


def _bases(request: TuningRequest, settings: Settings) -> dict[str, BaseEntry]:
    """By name; those of the catalog that are for completing code, where none is asked for."""
    store = Store(settings.home)
    first = base_to_build_from(store, settings, request.bases[0] if request.bases else None)
    found = {first.name: first}
    if request.bases:
        found |= {entry.name: entry for entry in (base_to_build_from(store, settings, name) for name in request.bases)}
        return found
    catalog = load_catalog(settings.catalog)
    for entry in store.bases():
        known = catalog.get(entry.name)
        if known is not None and known.fim is not None:
            found.setdefault(entry.name, entry)
    return found


def _predictions(request: TuningRequest, language: Language, settings: Settings) -> Measurement:
    asked = request.evaluation
    found = predictions_found_here(language, asked.seed, asked.limit, settings.threads)
    if found is not None:
        return found
    try:
        documents = own_documents(request.project, language, asked.seed, asked.limit or _FILES)
    except EvaluationError:
        raise EvaluationError(
            f"Neither this machine nor {request.project} has {language.label} code that is held out of calibration, so "
            f"quality cannot be measured; {corpus_advice(language)}."
        ) from None
    return PredictionMeasurement("project", tuple(documents), settings.threads)


def _functions(
    request: TuningRequest, language: Language, settings: Settings, listener: Listener
) -> Sequence[Measurement]:
    given = request.evaluation.tasks
    tasks = tuple(path for path in given if language_of(read_tasks(path, FunctionTask)) == language)
    if given and not tasks:
        raise UsageError(f"None of the files of tasks is in {language.label}; give one, or leave --tasks out.")
    return measurements_of(replace(request.evaluation, tasks=tasks), settings, listener.note) if tasks else []


def _answer(outcome: Outcome, bases: dict[str, BaseEntry]) -> dict[str, Any]:
    return circumstances() | {
        "against": next(iter(bases)),
        "complete": outcome.complete,
        "recommended": None if outcome.recommended is None else _facts(outcome.recommended),
        "candidates": [_facts(row) for row in outcome.rows],
        "recipe_file": None,
        "file": None,
    }


def _facts(row: Row) -> dict[str, Any]:
    recipe = row.candidate.recipe
    return {
        "candidate": row.candidate.label,
        "base": row.candidate.base,
        "recipe": None if recipe is None else recipe.as_dict(),
        "file_type": row.candidate.file_type,
        "bytes": row.size,
        "perplexity_ratio": row.ratio,
        "pass_at_1_share": row.solved,
        "first_suggestion_s": row.seconds,
        "quality": row.quality,
        "dropped": row.dropped,
    }


def _refuse_others_file(out: Path) -> None:
    """An answer of hours is not to end at a file that somebody wrote by hand."""
    if out.is_dir() or (out.exists() and _CHOSEN not in out.read_text(encoding="utf-8", errors="replace")):
        raise UsageError(f"{out} is there already, and not a recipe by sned tune; name another file with --out.")


def _remarks(row: Row, date: str) -> str:
    quality = "" if row.quality is None else f", {row.quality:.2f} of the dense model's quality"
    return f"{row.candidate.label}: {_CHOSEN}, {date[:10]}; {row.size / 1e6:,.0f} MB{quality}."
