"""A whole evaluation: which models, what is measured, and where results are kept."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assistant.corpus import corpus_advice
from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine
from assistant.errors import EvaluationError, UsageError
from assistant.evaluation.checking import check_solutions
from assistant.evaluation.circumstances import machine, versions
from assistant.evaluation.comparing import report
from assistant.evaluation.cost import CostMeasurement
from assistant.evaluation.functions import FunctionMeasurement, FunctionOptions
from assistant.evaluation.gaps import GapMeasurement, Judge, Order
from assistant.evaluation.infilling import infilling_gaps
from assistant.evaluation.measurement import Measured, Measurement, Plan, Subject, measure
from assistant.evaluation.project_measurements import predictions_found_here, project_measurements
from assistant.evaluation.ratios import add_ratios
from assistant.evaluation.recording import record_quality
from assistant.evaluation.sandbox.sandbox import Sandbox, open_sandbox
from assistant.evaluation.subjects import find_subjects
from assistant.evaluation.tasks import FunctionTask, InfillingTask, TaskFile, TaskType, read_tasks
from assistant.evaluation.toolchains import Missing, Toolchain, find_toolchain
from assistant.languages import Language, parse_language
from assistant.selection import open_model
from assistant.settings import Settings, load_settings

Note = Callable[[str], None]
Advanced = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """What is asked for.

    Attributes:
        models: names and files; the one that serves the language otherwise.
        project: whose held-out files are to be completed; None for none.
        language: of the project; its own by default.
        tasks: files of functions to write.
        functions: how they are written; each way is a measurement of its own.
        infilling: files of functions to fill in.
        orders: of infilling's prompts; each is a measurement of its own.
        perplexity: of held-out code found on this machine, in the project's, tasks' or models' languages.
        turns: of measuring the cost; 0 for none.
        limit: tasks of each file, or files of the project, at most.
        seed: chooses which, and what is masked.
        again: measure anew what was measured before.
        only_kept: measure nothing, and tell what was measured before.
        unsafe: run programs without a sandbox where there is none.
        gpu_layers, check_memory: as `open_model` has them.
    """

    models: tuple[str, ...] = ()
    project: Path | None = None
    language: str | None = None
    tasks: tuple[Path, ...] = ()
    functions: tuple[FunctionOptions, ...] = (FunctionOptions(),)
    infilling: tuple[Path, ...] = ()
    orders: tuple[Order, ...] = tuple(Order)
    perplexity: bool = False
    turns: int = 0
    limit: int | None = None
    seed: int = 0
    again: bool = False
    only_kept: bool = False
    unsafe: bool = False
    gpu_layers: str | None = None
    check_memory: bool = True


def checked(request: EvaluationRequest, advanced: Advanced, note: Note) -> dict[str, Any]:
    """Whether the solutions of the task files pass, such as JSON has; files without a toolchain are skipped.

    Raises:
        UsageError: a file holds no tasks, or none is given.
        EvaluationError: there is no sandbox.
    """
    files = [_limited(read_tasks(path, FunctionTask), request) for path in request.tasks]
    if not files:
        raise UsageError("--check takes --tasks FILE, a file in HumanEval-X's format.")
    toolchains = [find_toolchain(_language_of(file)) for file in files]
    sandbox = _sandbox(request, note) if any(isinstance(each, Toolchain) for each in toolchains) else None
    workers = load_settings().threads
    answers: list[dict[str, Any]] = []
    for file, toolchain in zip(files, toolchains, strict=True):
        about: dict[str, Any] = {"tasks": str(file.path), "count": len(file.tasks)}
        if isinstance(toolchain, Missing):
            answers.append(about | {"skipped": toolchain.reason})
            continue
        assert sandbox is not None
        hear = _labelled(advanced, file.path.stem)
        found = check_solutions(file, _for(sandbox, toolchain), toolchain, workers, hear)
        failed = [
            {"task": task, "outcome": each.outcome.value, "reason": each.reason}
            for task, each in found.items()
            if not each.passed
        ]
        passed = len(found) - len(failed)
        answers.append(about | {"toolchain": toolchain.version, "passed": passed, "failed": failed})
    return {"sandbox": None if sandbox is None else sandbox.confinement.name, "files": answers}


def evaluated(request: EvaluationRequest, advanced: Advanced, note: Note, cancel: Cancellation) -> dict[str, Any]:
    """Measures all models, keeps figures for the lists of models, and gives what `comparing.report` says of them.

    Raises:
        UsageError: there is nothing to measure, or a model or file is not there.
        EvaluationError: there is no sandbox, no toolchain for any of the files, or nothing held out of the project.
        EngineError: a model cannot be loaded, or fails.
        KeyboardInterrupt: it was cancelled.
    """
    settings = load_settings()
    measurements = _measurements(request, settings, note)
    languages = _languages(request, measurements)
    subjects = find_subjects(settings, request.models, languages[0] if len(languages) == 1 else None)
    if request.perplexity:
        every_language = languages or sorted(
            {each.selection.language for each in subjects if each.selection.language is not None}
        )
        measurements += _found_here(request, every_language, measurements, settings, note)
    if not measurements:
        raise UsageError(
            "There is nothing to measure; name a project's folder, or give --tasks FILE, --infilling FILE, "
            "--perplexity or --cost."
        )
    plan = Plan(measurements, settings.home / "evaluations", request.again, request.only_kept)

    def measured(subject: Subject, plan: Plan = plan) -> Measured:
        def opened() -> Engine:
            gpu_layers, check = request.gpu_layers, request.check_memory
            return open_model(subject.selection, settings, gpu_layers=gpu_layers, check_memory=check)

        return measure(subject, plan, opened, _named(advanced, subject), cancel)

    def predicted(base: Subject, label: str) -> Measured:
        return measured(base, replace(plan, measurements=[each for each in measurements if each.label == label]))

    every = [measured(subject) for subject in subjects]
    add_ratios(settings.home, every, predicted)
    if request.limit is None:
        record_quality(settings.home, every)
    about = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), "versions": versions()}
    return about | report(every)


def _measurements(request: EvaluationRequest, settings: Settings, note: Note) -> list[Measurement]:
    """All that is asked for; what the project's files give comes first, as it needs no sandbox."""
    functions = [_limited(read_tasks(path, FunctionTask), request) for path in request.tasks]
    gaps = [_limited(read_tasks(path, InfillingTask), request) for path in request.infilling]
    toolchains = [find_toolchain(_language_of(file)) for file in functions]
    found: list[Measurement] = [CostMeasurement(request.turns, settings.threads)] if request.turns else []
    if request.project is not None:
        found += project_measurements(request.project, request.language, request.seed, request.limit, settings.threads)
    if not functions and not gaps:
        return found
    sandbox = _sandbox(request, note)
    for file, toolchain in zip(functions, toolchains, strict=True):
        if isinstance(toolchain, Missing):
            note(f"{file.path} is skipped: {toolchain.reason}.")
            continue
        shut_in = _for(sandbox, toolchain)
        found += [FunctionMeasurement(file, options, shut_in, toolchain) for options in request.functions]
    python = find_toolchain(Language.PYTHON)
    assert isinstance(python, Toolchain)  # the one that runs this
    for holes in gaps:
        name, judge, filled = holes.path.stem, Judge(sandbox, python), infilling_gaps(holes)
        found += [GapMeasurement(name, holes.digest, filled, order, judge) for order in request.orders]
    if not found:
        raise EvaluationError("None of the task files can be run here; install what they need and try again.")
    return found


def _limited(file: TaskFile[TaskType], request: EvaluationRequest) -> TaskFile[TaskType]:
    """A sample of the tasks, in the file's order; a smaller one is part of a larger one."""
    if request.limit is None or request.limit >= len(file.tasks):
        return file
    order = random.Random(request.seed).sample(range(len(file.tasks)), len(file.tasks))
    return replace(file, tasks=tuple(file.tasks[index] for index in sorted(order[: request.limit])))


def _language_of(file: TaskFile[FunctionTask]) -> Language:
    languages = {task.language for task in file.tasks}
    if len(languages) > 1:
        labels = ", ".join(sorted(language.label for language in languages))
        raise UsageError(f"{file.path} has tasks in several languages ({labels}); give a file for each.")
    return languages.pop()


def _languages(request: EvaluationRequest, measurements: Sequence[Measurement]) -> list[Language]:
    """The languages that are measured; a single one chooses the model where none is named."""
    if request.language is not None:
        return [parse_language(request.language)]
    languages = {_language_of(each.file) for each in measurements if isinstance(each, FunctionMeasurement)}
    languages |= {
        Language(each.grammar.value)
        for each in measurements
        if isinstance(each, GapMeasurement) and each.grammar is not None
    }
    return sorted(languages)


def _found_here(
    request: EvaluationRequest,
    languages: Sequence[Language],
    others: Sequence[Measurement],
    settings: Settings,
    note: Note,
) -> list[Measurement]:
    """Predictions of held-out code in the languages, unless they are among the others already."""
    if not languages:
        raise UsageError("--perplexity is of code in a language, and a base model has none; name one with --language.")
    found: list[Measurement] = []
    for language in languages:
        measurement = predictions_found_here(language, request.seed, request.limit, settings.threads)
        if measurement is None:
            note(f"No held-out {language.label} code was found here, so none is predicted; {corpus_advice(language)}.")
        elif measurement.label not in {each.label for each in others}:
            found.append(measurement)
    return found


def _sandbox(request: EvaluationRequest, note: Note) -> Sandbox:
    sandbox = open_sandbox(unsafe=request.unsafe)
    if not sandbox.confinement.isolated:
        note("Without a sandbox, programs that a model wrote run under your account, bounded only in time and size.")
    return sandbox


def _for(sandbox: Sandbox, toolchain: Toolchain) -> Sandbox:
    return replace(sandbox, tools=toolchain.folders)


def _labelled(advanced: Advanced, label: str) -> Callable[[int, int], None]:
    return lambda done, of: advanced(label, done, of)


def _named(advanced: Advanced, subject: Subject) -> Advanced:
    return lambda label, done, of: advanced(f"{subject.name}: {label}", done, of)
