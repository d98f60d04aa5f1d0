"""How a fetch is shown: what is tried, what failed, and a bar, on standard error."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class TransferDisplay:
    """A `Listener` for people; use it as a context manager. Without a terminal it writes plain lines and no bar."""

    def __init__(self, name: str) -> None:
        """A display for the model `name`."""
        self._name = name
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Itself, showing."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Takes the bar away."""
        self._progress.stop()

    def trying(self, source: str) -> None:
        """Names the source."""
        self._say(f"{self._name}: trying {source}")

    def failed(self, source: str, reason: str) -> None:
        """Names the source and why it failed."""
        self._drop_bar()
        self._say(f"{self._name}: {source} could not deliver: {reason}")

    def waiting(self) -> None:
        """Says who is waited for."""
        self._say(f"{self._name}: another process is fetching it; waiting for that to end")

    def started(self, done: int, total: int | None) -> None:
        """Starts the bar where the bytes of an earlier run end."""
        self._drop_bar()
        if done:
            self._say(f"{self._name}: going on after {done / 1e6:,.1f} MB")
        self._task = self._progress.add_task(self._name, completed=done, total=total)

    def moved(self, done: int) -> None:
        """Moves the bar."""
        if self._task is not None:
            self._progress.update(self._task, completed=done)

    def _drop_bar(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False)
