"""Whole evaluations: models are measured, or the tasks' own solutions run."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine
from assistant.errors import UsageError
from assistant.evaluation.checking import check_solutions
from assistant.evaluation.circumstances import circumstances
from assistant.evaluation.comparing import report
from assistant.evaluation.measurement import Measured, Plan, Subject, measure
from assistant.evaluation.ratios import add_ratios
from assistant.evaluation.recording import record_quality
from assistant.evaluation.request import (
    Advanced,
    EvaluationRequest,
    Note,
    found_here,
    language_of,
    languages_of,
    limited,
    measurements_of,
    sandbox_of,
    with_tools,
)
from assistant.evaluation.subjects import find_subjects
from assistant.evaluation.tasks import FunctionTask, read_tasks
from assistant.evaluation.toolchains import Missing, Toolchain, find_toolchain
from assistant.selection import open_model
from assistant.settings import Settings, load_settings

_NOTHING = (
    "There is nothing to measure; name a project's folder, or give --tasks FILE, --infilling FILE, --perplexity or "
    "--cost."
)


def checked(request: EvaluationRequest, advanced: Advanced, note: Note) -> dict[str, Any]:
    """Whether the solutions of the task files pass, such as JSON has; files without a toolchain are skipped.

    Raises:
        UsageError: a file holds no tasks, or none is given.
        EvaluationError: there is no sandbox.
    """
    files = [limited(read_tasks(path, FunctionTask), request) for path in request.tasks]
    if not files:
        raise UsageError("--check takes --tasks FILE, a file in HumanEval-X's format.")
    toolchains = [find_toolchain(language_of(file)) for file in files]
    sandbox = sandbox_of(request, note) if any(isinstance(each, Toolchain) for each in toolchains) else None
    workers = load_settings().threads
    answers: list[dict[str, Any]] = []
    for file, toolchain in zip(files, toolchains, strict=True):
        about: dict[str, Any] = {"tasks": str(file.path), "count": len(file.tasks)}
        if isinstance(toolchain, Missing):
            answers.append(about | {"skipped": toolchain.reason})
            continue
        assert sandbox is not None
        hear = _labelled(advanced, file.path.stem)
        found = check_solutions(file, with_tools(sandbox, toolchain), toolchain, workers, hear)
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
    measurements = measurements_of(request, settings, note)
    if not measurements and not request.perplexity:
        raise UsageError(_NOTHING)
    languages = languages_of(request, measurements)
    subjects = find_subjects(settings, request.models, languages[0] if len(languages) == 1 else None)
    if request.perplexity:
        every_language = languages or sorted(
            {each.selection.language for each in subjects if each.selection.language is not None}
        )
        measurements += found_here(request, every_language, measurements, settings, note)
    if not measurements:
        raise UsageError(_NOTHING)
    plan = Plan(measurements, settings.home / "evaluations", request.again, request.only_kept)
    runner = Runner(request, settings, advanced, cancel)

    def predicted(base: Subject, label: str) -> Measured:
        return runner.measured(base, replace(plan, measurements=[each for each in measurements if each.label == label]))

    every = [runner.measured(subject, plan) for subject in subjects]
    add_ratios(settings.home, every, predicted)
    if request.limit is None:
        record_quality(settings.home, every)
    return circumstances() | report(every)


@dataclass(frozen=True, slots=True)
class Runner:
    """Measures models as a request asks."""

    request: EvaluationRequest
    settings: Settings
    advanced: Advanced
    cancel: Cancellation

    def measured(self, subject: Subject, plan: Plan) -> Measured:
        """What is measured of a model, loaded if something is missing.

        Raises:
            EngineError: it cannot be loaded, or fails.
            KeyboardInterrupt: it was cancelled.
        """
        request = self.request

        def opened() -> Engine:
            gpu_layers, check = request.gpu_layers, request.check_memory
            return open_model(subject.selection, self.settings, gpu_layers=gpu_layers, check_memory=check)

        return measure(subject, plan, opened, _named(self.advanced, subject), self.cancel)


def _labelled(advanced: Advanced, label: str) -> Callable[[int, int], None]:
    return lambda done, of: advanced(label, done, of)


def _named(advanced: Advanced, subject: Subject) -> Advanced:
    return lambda label, done, of: advanced(f"{subject.name}: {label}", done, of)
