"""The harness's own check: the solutions that come with tasks have to pass."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from assistant.evaluation.judging import Judgement, judge
from assistant.evaluation.programs import function_program
from assistant.evaluation.sandbox.sandbox import Sandbox
from assistant.evaluation.tasks import FunctionTask, TaskFile
from assistant.evaluation.toolchains import Toolchain


def check_solutions(
    file: TaskFile[FunctionTask],
    sandbox: Sandbox,
    toolchain: Toolchain,
    workers: int,
    advanced: Callable[[int, int], None] = lambda done, of: None,
) -> dict[str, Judgement]:
    """What becomes of each task's own solution; `advanced` is told how many are judged, of how many."""
    judgements: dict[str, Judgement] = {}
    advanced(0, len(file.tasks))
    with ThreadPoolExecutor(workers) as pool:
        programs = [partial(function_program, task, task.canonical_solution) for task in file.tasks]
        judged = pool.map(partial(judge, sandbox, toolchain), programs)
        for task, judgement in zip(file.tasks, judged, strict=True):
            judgements[task.task_id] = judgement
            advanced(len(judgements), len(file.tasks))
    return judgements
