"""A whole evaluation: which models, what is measured, and where results are kept."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine
from assistant.errors import EvaluationError, UsageError
from assistant.evaluation.checking import check_solutions
from assistant.evaluation.comparing import report
from assistant.evaluation.functions import FunctionMeasurement, FunctionOptions
from assistant.evaluation.measurement import Measured, Measurement, Plan, Subject, measure
from assistant.evaluation.sandbox.sandbox import Sandbox, open_sandbox
from assistant.evaluation.subjects import find_subjects
from assistant.evaluation.tasks import FunctionTask, TaskFile, read_tasks
from assistant.evaluation.toolchains import Missing, find_toolchain
from assistant.languages import Language
from assistant.selection import open_model
from assistant.settings import load_settings

Note = Callable[[str], None]
AdvancedWith = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """What is asked for.

    Attributes:
        what: models, and at most one folder.
        tasks: files of functions to write.
        functions: how they are written; each way is a measurement of its own.
        limit: tasks of each file, at most.
        seed: chooses which.
        again: measure anew what was measured before.
        unsafe: run programs without a sandbox where there is none.
        gpu_layers, check_memory: as `open_model` has them.
    """

    what: tuple[str, ...] = ()
    tasks: tuple[Path, ...] = ()
    functions: tuple[FunctionOptions, ...] = (FunctionOptions(),)
    limit: int | None = None
    seed: int = 0
    again: bool = False
    unsafe: bool = False
    gpu_layers: str | None = None
    check_memory: bool = True


def checked(request: EvaluationRequest, advanced: AdvancedWith, note: Note) -> dict[str, Any]:
    """Whether the solutions of the task files pass, such as JSON has; files without a toolchain are skipped.

    Raises:
        UsageError: a file holds no tasks, or none is given.
        EvaluationError: there is no sandbox.
    """
    files = _function_files(request)
    if not files:
        raise UsageError("--check takes --tasks FILE, a file in HumanEval-X's format.")
    sandbox, workers = _sandbox(request, note), load_settings().threads
    answers: list[dict[str, Any]] = []
    for file in files:
        toolchain = find_toolchain(_language_of(file))
        about: dict[str, Any] = {"tasks": str(file.path), "count": len(file.tasks)}
        if isinstance(toolchain, Missing):
            answers.append(about | {"skipped": toolchain.reason})
            continue
        shut_in = replace(sandbox, tools=toolchain.folders)
        label = file.path.stem
        found = check_solutions(
            file,
            shut_in,
            toolchain,
            workers,
            lambda done, of: advanced(label, done, of),  # noqa: B023
        )
        failed = [
            {"task": task, "outcome": each.outcome.value, "reason": each.reason}
            for task, each in found.items()
            if not each.passed
        ]
        answers.append(about | {"toolchain": toolchain.version, "passed": len(found) - len(failed), "failed": failed})
    return {"sandbox": sandbox.confinement.name, "files": answers}


def evaluated(request: EvaluationRequest, advanced: AdvancedWith, note: Note, cancel: Cancellation) -> dict[str, Any]:
    """Measures all models, and gives what `comparing.report` says of them.

    Raises:
        UsageError: there is nothing to measure, or a model or file is not there.
        EvaluationError: there is no sandbox, or no toolchain for any of the files.
        EngineError: a model cannot be loaded, or fails.
        KeyboardInterrupt: it was cancelled.
    """
    settings = load_settings()
    measurements = _measurements(request, note)
    if not measurements:
        raise UsageError("There is nothing to measure; give --tasks FILE.")
    languages = {_language_of(each.file) for each in measurements if isinstance(each, FunctionMeasurement)}
    subjects = find_subjects(settings, request.what, languages.pop() if len(languages) == 1 else None)
    plan = Plan(measurements, settings.home / "evaluations", request.again)

    def measured(subject: Subject) -> Measured:
        def opened() -> Engine:
            gpu_layers, check = request.gpu_layers, request.check_memory
            return open_model(subject.selection, settings, gpu_layers=gpu_layers, check_memory=check)

        return measure(subject, plan, opened, _named(advanced, subject), cancel)

    return report([measured(subject) for subject in subjects])


def _measurements(request: EvaluationRequest, note: Note) -> list[Measurement]:
    files = _function_files(request)
    sandbox = _sandbox(request, note) if files else None
    found: list[Measurement] = []
    for file in files:
        assert sandbox is not None
        toolchain = find_toolchain(_language_of(file))
        if isinstance(toolchain, Missing):
            note(f"{file.path} is skipped: {toolchain.reason}.")
            continue
        shut_in = replace(sandbox, tools=toolchain.folders)
        found += [FunctionMeasurement(file, options, shut_in, toolchain) for options in request.functions]
    if files and not found:
        raise EvaluationError("None of the task files can be run here; install what they need and try again.")
    return found


def _function_files(request: EvaluationRequest) -> list[TaskFile[FunctionTask]]:
    files = [read_tasks(path, FunctionTask) for path in request.tasks]
    for file in files:
        _language_of(file)
    return [_limited(file, request) for file in files]


def _limited(file: TaskFile[FunctionTask], request: EvaluationRequest) -> TaskFile[FunctionTask]:
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


def _sandbox(request: EvaluationRequest, note: Note) -> Sandbox:
    sandbox = open_sandbox(unsafe=request.unsafe)
    if not sandbox.confinement.isolated:
        note("Without a sandbox, programs that a model wrote run under your account, bounded only in time and size.")
    return sandbox


def _named(advanced: AdvancedWith, subject: Subject) -> AdvancedWith:
    return lambda label, done, of: advanced(f"{subject.name}: {label}", done, of)
