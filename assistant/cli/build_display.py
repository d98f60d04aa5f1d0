"""How a build is shown: what is being done, and a bar with the time left, on standard error."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn


class BuildDisplay:
    """A build's progress for people; use it as a context manager. Without a terminal it writes lines and no bar."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._step = ""

    def __enter__(self) -> Self:
        """Itself, showing."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Takes the bar away."""
        self._progress.stop()

    def advanced(self, step: str, fraction: float) -> None:
        """Shows the step at work and how far it is, from 0 to 1."""
        if step != self._step or self._task is None:
            self._step = step
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._console.print(f"{step} …", markup=False)
            self._task = self._progress.add_task(step, total=1.0)
        self._progress.update(self._task, completed=fraction)

    def waiting(self) -> None:
        """Says who is waited for."""
        self._console.print("Another process is building the same sub-model; waiting for that to end.", markup=False)
