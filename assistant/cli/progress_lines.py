"""Progress for other programs, such as an editor: a JSON object a line on standard error."""

import json
import sys
from types import TracebackType
from typing import Self

# A line for each hundredth is what a bar can show.
_STEP = 0.01


class ProgressLines:
    """Writes lines of `message`, what is being done, and `fraction`, how much of all is done, from 0 to 1, or null.

    A context manager, as the displays for people are.
    """

    def __init__(self) -> None:
        """Nothing is written yet."""
        self._message = ""
        self._fraction: float | None = None

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left to be done."""

    def write(self, message: str, fraction: float | None = None) -> None:
        """Writes a line, unless it would say what the last one did."""
        if message == self._message and not self._has_moved(fraction):
            return
        self._message, self._fraction = message, fraction
        rounded = None if fraction is None else round(fraction, 4)
        line = json.dumps({"message": message, "fraction": rounded}, ensure_ascii=False)
        print(line, file=sys.stderr, flush=True)

    def _has_moved(self, fraction: float | None) -> bool:
        """Whether a fraction is worth a line: a step further, back, or the end."""
        if fraction is None or self._fraction is None:
            return fraction != self._fraction
        moved = fraction - self._fraction
        return moved < 0 or moved >= _STEP or (fraction == 1 and moved > 0)


class BuildLines(ProgressLines):
    """A build's progress, as `assistant.build` tells it; pruning is nearly all of the work."""

    _done = 0.0

    def advanced(self, step: str, fraction: float) -> None:
        """Says the step at work; fractions are of the whole build and never fall."""
        self._done = max(self._done, fraction)
        self.write(step, self._done)

    def waiting(self) -> None:
        """Says who is waited for."""
        self.write("Another process is building the same sub-model; waiting for that to end.")


class TransferLines(ProgressLines):
    """A fetch's progress, as `assistant.fetch` tells it: a `Listener`."""

    def __init__(self, name: str) -> None:
        """Lines about the model `name`."""
        super().__init__()
        self._name = name
        self._total: int | None = None

    def trying(self, source: str) -> None:
        """Names the source."""
        self.write(f"{self._name}: trying {source}")

    def failed(self, source: str, reason: str) -> None:
        """Names the source and why it failed."""
        self.write(f"{self._name}: {source} could not deliver: {reason}")

    def waiting(self) -> None:
        """Says who is waited for."""
        self.write(f"{self._name}: another process is fetching it; waiting for that to end")

    def started(self, done: int, total: int | None) -> None:
        """Takes note of how much there is to come."""
        self._total = total
        self.moved(done)

    def moved(self, done: int) -> None:
        """Says how much is here."""
        total = self._total
        if total:
            self.write(f"{self._name}: {total / 1e6:,.0f} MB", min(done / total, 1.0))
