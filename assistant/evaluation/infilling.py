"""Gaps of HumanEval-Infilling's files (Bavarian et al., arXiv 2207.14255)."""

from functools import partial

from assistant.evaluation.gap_by_gap import Gap
from assistant.evaluation.programs import infilling_program
from assistant.evaluation.tasks import InfillingTask, TaskFile


def infilling_gaps(file: TaskFile[InfillingTask]) -> tuple[Gap, ...]:
    """The gaps of a file; the cursor stands where its tasks have it."""
    return tuple(
        Gap(
            task.task_id,
            task.prompt,
            task.suffix,
            task.canonical_solution,
            line=task.canonical_solution.strip("\n").count("\n") == 0 and task.canonical_solution.endswith("\n"),
            program=partial(infilling_program, task),
        )
        for task in file.tasks
    )
