"""The table of the paper: each language's quality by models cut for each language (Puccioni et al., arXiv 2501.05248).

Four languages by the dense model, the language's own sub-model, those of the others, and one that is calibrated on code
of all four alike. What that one keeps is due to pruning by code at all; what the own one keeps beyond it, to the
language.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assistant.build_choices import base_to_build_from
from assistant.corpus import corpus_advice, corpus_documents
from assistant.engine.cancellation import Cancellation
from assistant.errors import BuildError, EvaluationError, UsageError
from assistant.evaluation.circumstances import circumstances
from assistant.evaluation.comparing import report
from assistant.evaluation.functions import FunctionMeasurement
from assistant.evaluation.making import MadeModels, Wanted
from assistant.evaluation.matrix_table import DENSE, GENERAL
from assistant.evaluation.measurement import Measured, Measurement, Plan, Subject
from assistant.evaluation.predicting import found_here_label
from assistant.evaluation.ratios import RATIO, add_ratios_to
from assistant.evaluation.recording import record_quality
from assistant.evaluation.request import Advanced, EvaluationRequest, Note, found_here, language_of, measurements_of
from assistant.evaluation.running import Runner
from assistant.evaluation.subjects import subject_of
from assistant.evaluation.tasks import FunctionTask, read_tasks
from assistant.evaluation.toolchains import Missing, find_toolchain
from assistant.languages import Language
from assistant.recipe import Recipe
from assistant.settings import Settings, load_settings
from assistant.store import BaseEntry, Store
from assistant.submodel_file import Progress


@dataclass(frozen=True, slots=True)
class MatrixRequest:
    """What the table is made of.

    Attributes:
        evaluation: tasks of each language, how they are asked, and how much of all; it names no models.
        recipe: of the sub-models, which no project is calibrated on.
        base: what they are cut from; the settings' or the catalog's otherwise.
    """

    evaluation: EvaluationRequest
    recipe: Recipe
    base: str | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears of measuring, of building, and of what has to be said once; and may end it all."""

    advanced: Advanced
    building: Progress
    note: Note
    cancel: Cancellation


def matrix(request: MatrixRequest, listener: Listener) -> dict[str, Any]:
    """Builds what is not there, measures all, and gives what `comparing.report` says, with the table under `matrix`.

    Predictions of every model come before its functions, as they take less. A language without code on this machine has
    no sub-model and no predictions, one without a toolchain no functions; each is told.

    Raises:
        UsageError: a base model or a file is not there, or two files are of one language.
        EvaluationError: there is no sandbox, nothing can be measured, or no sub-model can be built.
        EngineError: a model fails.
        KeyboardInterrupt: it was cancelled; what was measured is kept.
    """
    settings, asked = load_settings(), request.evaluation
    base = base_to_build_from(Store(settings.home), settings, request.base)
    functions = _functions(asked, settings, listener.note)
    languages = [language for language in Language if _has_code(language, request.recipe.seed)]
    for language in sorted(set(Language) - set(languages)):
        listener.note(
            f"{language.label} is left out but for its tasks: no code was found here; {corpus_advice(language)}."
        )
    if not languages:
        raise EvaluationError("No language has code here that a sub-model could be calibrated on; install some first.")
    predictions = found_here(asked, languages, (), settings, listener.note)
    subjects = dict(_subjects(request, base, languages, MadeModels(settings), listener))
    if len(subjects) == 1:
        raise EvaluationError("No sub-model is here or can be built, so there is nothing to compare.")
    found = {row: Measured(subject) for row, subject in subjects.items()}
    for part in (predictions, functions):
        _measure(asked, settings, part, found, listener)
    every = list(found.values())
    add_ratios_to(found[DENSE], every)
    if asked.limit is None:
        record_quality(settings.home, every)
    table = {"rows": {row: each.subject.name for row, each in found.items()}, "parts": _parts(functions, predictions)}
    return circumstances() | report(every) | {"matrix": table}


def _measure(
    asked: EvaluationRequest,
    settings: Settings,
    part: Sequence[Measurement],
    found: Mapping[str, Measured],
    listener: Listener,
) -> None:
    """Adds to what was found of each model, and says what time the others will take, by those that were measured."""
    plan = Plan(part, settings.home / "evaluations", asked.again, asked.only_kept)
    kept = Runner(asked, settings, listener.advanced, listener.cancel)
    waiting = [
        row
        for row, each in found.items()
        if asked.again or kept.measured(each.subject, replace(plan, again=False, only_kept=True)).missing
    ]
    begun, measured = time.monotonic(), 0
    for number, (row, each) in enumerate(found.items(), 1):
        runner = Runner(asked, settings, _numbered(listener.advanced, number, len(found)), listener.cancel)
        _add(each, runner.measured(each.subject, plan))
        if row in waiting and not asked.only_kept:
            measured += 1
            minutes = (time.monotonic() - begun) / measured * (len(waiting) - measured) / 60
            if minutes >= 1:
                listener.note(f"{len(waiting) - measured} models are left of this part: about {minutes:.0f} min.")


def general(recipe: Recipe) -> Recipe:
    """The recipe with code of all four languages in equal shares, in the place of one language's."""
    code = 1.0 - recipe.chat_share
    return replace(recipe, project_share=0.0, other_share=round(code * (len(Language) - 1) / len(Language), 6))


def _functions(asked: EvaluationRequest, settings: Settings, note: Note) -> list[FunctionMeasurement]:
    """How functions are written in the languages that have a file of tasks and a toolchain; the others are told."""
    files: dict[Language, Path] = {}
    for path in asked.tasks:
        language = language_of(read_tasks(path, FunctionTask))
        if language in files:
            raise UsageError(f"Two files of tasks are in {language.label}; give one for each language.")
        files[language] = path
    for language, path in tuple(files.items()):
        if isinstance(toolchain := find_toolchain(language), Missing):
            note(f"{path} is skipped: {toolchain.reason}.")
            del files[language]
    if not files:
        return []
    found = measurements_of(replace(asked, tasks=tuple(files.values())), settings, note)
    return [each for each in found if isinstance(each, FunctionMeasurement)]


def _has_code(language: Language, seed: int) -> bool:
    return next(corpus_documents(language, seed), None) is not None


def _subjects(
    request: MatrixRequest,
    base: BaseEntry,
    languages: Sequence[Language],
    models: MadeModels,
    listener: Listener,
) -> Iterator[tuple[str, Subject]]:
    """The models by their row: the dense one, and sub-models that are there or can be built."""
    yield DENSE, subject_of(base)
    rows = [(language.value, Wanted(base, language, request.recipe)) for language in languages]
    if len(languages) > 1:
        rows.append((GENERAL, Wanted(base, languages[0], general(request.recipe))))
    for number, (row, wanted) in enumerate(rows, 1):
        entry = models.found(wanted)
        if entry is None and request.evaluation.only_kept:
            listener.note(f"The {row} sub-model is not built, so nothing was measured of it.")
            continue
        if entry is None:
            listener.note(f"Building sub-model {number} of {len(rows)}: {row}")
            try:
                entry = models.made(wanted, listener.building, listener.cancel).entry
            except BuildError as error:
                listener.note(f"The {row} sub-model is left out: {error}")
                continue
        yield row, subject_of(entry)


def _numbered(advanced: Advanced, number: int, of: int) -> Advanced:
    return lambda label, done, tasks: advanced(f"{number} of {of}, {label}", done, tasks)


def _add(found: Measured, more: Measured) -> None:
    found.summaries.update(more.summaries)
    found.scores.update(more.scores)
    found.missing.update(more.missing)


def _parts(functions: Sequence[FunctionMeasurement], predictions: Sequence[Measurement]) -> list[dict[str, Any]]:
    """What each table shows: a figure, and which measurement has it, by language."""
    parts: list[dict[str, Any]] = []
    for asking in dict.fromkeys(each.options.asking for each in functions):
        labels = {language_of(each.file).value: each.label for each in functions if each.options.asking is asking}
        parts.append({"title": f"pass@1, {asking.value}", "figure": "pass@1", "labels": labels})
    known = {each.label for each in predictions}
    labels = {language.value: found_here_label(language) for language in Language}
    labels = {language: label for language, label in labels.items() if label in known}
    if labels:
        parts.append({"title": "perplexity, times the dense model's", "figure": RATIO, "labels": labels})
    return parts
