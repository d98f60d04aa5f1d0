"""Task files: HumanEval-X (Zheng et al., arXiv 2303.17568) and HumanEval-Infilling (Bavarian et al., 2207.14255)."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from assistant.errors import UsageError
from assistant.languages import Language
from assistant.validation import readable

_MOST_BYTES = 64 << 20
_LANGUAGES = {
    "Python": Language.PYTHON,
    "Java": Language.JAVA,
    "CPP": Language.CPP,
    "JavaScript": Language.JAVASCRIPT,
}


class _Task(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    task_id: str
    prompt: str
    canonical_solution: str
    test: str


class FunctionTask(_Task):
    """A function to be written, in HumanEval-X's format.

    `prompt` is what stands before the function's body, with its description; `declaration` is that without one.
    """

    declaration: str = ""

    @property
    def language(self) -> Language:
        """By the task's name, such as `Java/0`; HumanEval's own are Python."""
        return _LANGUAGES.get(self.task_id.split("/")[0], Language.PYTHON)


class InfillingTask(_Task):
    """A stretch of a function that is missing, in HumanEval-Infilling's format; Python."""

    suffix: str
    entry_point: str


TaskType = TypeVar("TaskType", bound=_Task)


@dataclass(frozen=True, slots=True)
class TaskFile(Generic[TaskType]):
    """The tasks of a file, in its order, and the digest of its bytes."""

    path: Path
    digest: str
    tasks: tuple[TaskType, ...]


def read_tasks(path: Path, kind: type[TaskType]) -> TaskFile[TaskType]:
    """The tasks of a file of JSON lines.

    Raises:
        UsageError: there is no such file, it holds no tasks, or a line of it is not one.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(
                f"{path} is larger than task files are ({path.stat().st_size} bytes); give the right file."
            )
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"The task file {path} cannot be read: {error.strerror}; check its name.") from error
    tasks = []
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            try:
                tasks.append(kind.model_validate_json(line))
            except ValidationError as error:
                first = error.errors()[0]
                field = ".".join(str(part) for part in first["loc"])
                what = f"{field}: {readable(first['msg'])}" if field else readable(first["msg"])
                raise UsageError(
                    f"Line {number} of {path} is not a task ({what}); give JSON lines in the data set's own format."
                ) from None
    if not tasks:
        raise UsageError(f"{path} holds no tasks; give JSON lines, a task each.")
    name, count = Counter(task.task_id for task in tasks).most_common(1)[0]
    if count > 1:
        raise UsageError(f"{path} has the task {name} {count} times; each needs a name of its own.")
    return TaskFile(path, hashlib.sha256(content).hexdigest(), tuple(tasks))
