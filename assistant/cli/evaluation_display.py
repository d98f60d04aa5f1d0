"""How a measurement is shown: what is measured, and a bar with the time left, on standard error."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from assistant.cli.options import ProgressForm
from assistant.cli.progress_lines import ProgressLines

# Without a terminal a line tells now and then.
_LINE_SECONDS = 60.0


def display(form: ProgressForm) -> "EvaluationDisplay | EvaluationLines":
    """The display of that form; a context manager."""
    return EvaluationLines() if form is ProgressForm.JSON else EvaluationDisplay()


class EvaluationDisplay:
    """For people. Without a terminal it writes lines and no bar."""

    def __init__(self) -> None:
        """Nothing is shown yet."""
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            # Programs differ much in length: the last ones alone say little of the others.
            TimeRemainingColumn(elapsed_when_finished=True),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
            speed_estimate_period=600,
        )
        self._task: TaskID | None = None
        self._label = ""
        self._begun = (0.0, 0)
        self._told = 0.0

    def __enter__(self) -> Self:
        """Itself, showing."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Takes the bar away."""
        self._progress.stop()

    def note(self, text: str) -> None:
        """Says something once."""
        self._console.print(text, markup=False)

    def building(self, step: str, fraction: float) -> None:
        """Shows what is built, and how far."""
        self._show(step, round(100 * fraction), 100, f"{step} …")

    def advanced(self, label: str, done: int, of: int) -> None:
        """Shows what is measured, and how far."""
        self._show(label, done, of, f"{label}: {of} results" + (f", {done} there already" if done else ""))

    def _show(self, label: str, done: int, of: int, words: str) -> None:
        now = time.monotonic()
        if label != self._label or self._task is None:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._label, self._begun, self._told = label, (now, done), now
            self._task = self._progress.add_task(label, total=of, completed=done)
            self._console.print(words, markup=False)
        self._progress.update(self._task, completed=done, total=of)
        if not self._console.is_terminal and now - self._told > _LINE_SECONDS and done < of:
            self._told = now
            begun, before = self._begun
            left = (now - begun) / max(1, done - before) * (of - done)
            self._console.print(f"{label}: {done} of {of}, about {left / 60:.0f} min left", markup=False)


class EvaluationLines(ProgressLines):
    """For programs: JSON lines."""

    def note(self, text: str) -> None:
        """Says something once."""
        self.write(text)

    def building(self, step: str, fraction: float) -> None:
        """Says what is built, and how much of that is done."""
        self.write(step, fraction)

    def advanced(self, label: str, done: int, of: int) -> None:
        """Says what is measured, and how much of that is done."""
        self.write(label, done / of if of else None)
