"""What an evaluation is asked for, and the measurements that are meant."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from assistant.corpus import corpus_advice
from assistant.errors import EvaluationError, UsageError
from assistant.evaluation.cost import CostMeasurement
from assistant.evaluation.functions import FunctionMeasurement, FunctionOptions
from assistant.evaluation.gaps import GapMeasurement, Judge, Order
from assistant.evaluation.infilling import infilling_gaps
from assistant.evaluation.measurement import Measurement
from assistant.evaluation.project_measurements import predictions_found_here, project_measurements
from assistant.evaluation.sandbox.sandbox import Sandbox, open_sandbox
from assistant.evaluation.tasks import FunctionTask, InfillingTask, TaskFile, TaskType, read_tasks
from assistant.evaluation.toolchains import Missing, Toolchain, find_toolchain
from assistant.languages import Language, parse_language
from assistant.settings import Settings

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


def measurements_of(request: EvaluationRequest, settings: Settings, note: Note) -> list[Measurement]:
    """All that is asked for but --perplexity; what the project's files give comes first, as it needs no sandbox.

    Raises:
        UsageError: a file is not there, or none of tasks.
        EvaluationError: there is no sandbox, no toolchain for any of the files, or nothing held out of the project.
    """
    functions = [limited(read_tasks(path, FunctionTask), request) for path in request.tasks]
    gaps = [limited(read_tasks(path, InfillingTask), request) for path in request.infilling]
    toolchains = [find_toolchain(language_of(file)) for file in functions]
    found: list[Measurement] = [CostMeasurement(request.turns, settings.threads)] if request.turns else []
    if request.project is not None:
        found += project_measurements(request.project, request.language, request.seed, request.limit, settings.threads)
    if not functions and not gaps:
        return found
    sandbox = sandbox_of(request, note)
    for file, toolchain in zip(functions, toolchains, strict=True):
        if isinstance(toolchain, Missing):
            note(f"{file.path} is skipped: {toolchain.reason}.")
            continue
        shut_in = with_tools(sandbox, toolchain)
        found += [FunctionMeasurement(file, options, shut_in, toolchain) for options in request.functions]
    python = find_toolchain(Language.PYTHON)
    assert isinstance(python, Toolchain)  # the one that runs this
    for holes in gaps:
        name, judge, filled = holes.path.stem, Judge(sandbox, python), infilling_gaps(holes)
        found += [GapMeasurement(name, holes.digest, filled, order, judge) for order in request.orders]
    if not found:
        raise EvaluationError("None of the task files can be run here; install what they need and try again.")
    return found


def limited(file: TaskFile[TaskType], request: EvaluationRequest) -> TaskFile[TaskType]:
    """A sample of the tasks, in the file's order; a smaller one is part of a larger one."""
    if request.limit is None or request.limit >= len(file.tasks):
        return file
    order = random.Random(request.seed).sample(range(len(file.tasks)), len(file.tasks))
    return replace(file, tasks=tuple(file.tasks[index] for index in sorted(order[: request.limit])))


def language_of(file: TaskFile[FunctionTask]) -> Language:
    """The language of a file's tasks.

    Raises:
        UsageError: there are several.
    """
    languages = {task.language for task in file.tasks}
    if len(languages) > 1:
        labels = ", ".join(sorted(language.label for language in languages))
        raise UsageError(f"{file.path} has tasks in several languages ({labels}); give a file for each.")
    return languages.pop()


def languages_of(request: EvaluationRequest, measurements: Sequence[Measurement]) -> list[Language]:
    """The languages that are measured; a single one chooses the model where none is named."""
    if request.language is not None:
        return [parse_language(request.language)]
    languages = {language_of(each.file) for each in measurements if isinstance(each, FunctionMeasurement)}
    languages |= {
        Language(each.grammar.value)
        for each in measurements
        if isinstance(each, GapMeasurement) and each.grammar is not None
    }
    return sorted(languages)


def found_here(
    request: EvaluationRequest,
    languages: Sequence[Language],
    others: Sequence[Measurement],
    settings: Settings,
    note: Note,
) -> list[Measurement]:
    """Predictions of held-out code in the languages, unless they are among the others already.

    Raises:
        UsageError: there is no language.
    """
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


def sandbox_of(request: EvaluationRequest, note: Note) -> Sandbox:
    """What programs are shut in by.

    Raises:
        EvaluationError: there is nothing, and doing without was not asked for.
    """
    sandbox = open_sandbox(unsafe=request.unsafe)
    if not sandbox.confinement.isolated:
        note("Without a sandbox, programs that a model wrote run under your account, bounded only in time and size.")
    return sandbox


def with_tools(sandbox: Sandbox, toolchain: Toolchain) -> Sandbox:
    """The sandbox, with the toolchain's folders readable inside."""
    return replace(sandbox, tools=toolchain.folders)
