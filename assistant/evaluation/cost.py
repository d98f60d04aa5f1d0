"""What a model costs: bytes, memory, seconds to load and to a first suggestion, tokens a second."""

import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from assistant.engine.cancellation import Cancellation
from assistant.errors import EvaluationError
from assistant.evaluation.journal import Kept, OpenJournal, Result
from assistant.evaluation.measurement import Advanced, OpenedModel

_FIGURES = ("load s", "first suggestion s", "prefill tokens/s", "decode tokens/s", "peak MB")
_SECONDS = 600


@dataclass(frozen=True, slots=True)
class CostMeasurement:
    """Runs a model in turns, each in a process of its own; the first, which reads the file from the disk, is left out.

    Nothing else is measured meanwhile, but the machine may have other work: the spread tells.
    """

    turns: int
    threads: int

    @property
    def label(self) -> str:
        """What it is."""
        return "cost"

    @property
    def settings(self) -> Mapping[str, Any]:
        """The machine, and how often."""
        return {
            "measurement": "cost",
            "turns": self.turns,
            "threads": self.threads,
            "machine": f"{platform.node()} {platform.machine()} {platform.processor()}",
            "engine": version("llama-cpp-python"),
        }

    def missing(self, kept: Kept) -> int:
        """Turns that have still to be taken."""
        return sum((str(turn), 0) not in kept for turn in range(self.turns + 1))

    def run(self, model: OpenedModel, journal: OpenJournal, advanced: Advanced, cancel: Cancellation) -> None:
        """Takes the turns that are missing.

        Raises:
            EvaluationError: the model cannot be run.
            KeyboardInterrupt: it was cancelled.
        """
        model.close()  # two copies in memory would disturb each other
        for turn in range(self.turns + 1):
            if (str(turn), 0) in journal.results:
                continue
            if cancel.is_set():
                raise KeyboardInterrupt
            advanced(turn, self.turns + 1)
            journal.add({"task": str(turn), "sample": 0} | _turn(model, self.threads))
        advanced(self.turns + 1, self.turns + 1)

    def results(self, kept: Kept) -> list[Result]:
        """The turns, without the first."""
        return [kept[str(turn), 0] for turn in range(1, self.turns + 1)]

    def summary(self, results: Sequence[Result]) -> dict[str, Any]:
        """The median of each figure, and under `spread` its least and greatest value."""
        values = {figure: [float(result[figure]) for result in results] for figure in _FIGURES}
        return {
            "tasks": len(results),
            **{figure: statistics.median(found) for figure, found in values.items()},
            "spread": {figure: [min(found), max(found)] for figure, found in values.items()},
        }

    def scores(self, results: Sequence[Result]) -> dict[str, dict[str, float]]:
        """None: turns of two models are no pairs."""
        return {}


def _turn(model: OpenedModel, threads: int) -> dict[str, float]:
    command = [sys.executable, "-m", "assistant.evaluation.cost_turn", str(model.path), str(threads)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS)
        return {str(figure): float(value) for figure, value in json.loads(done.stdout).items()}
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise EvaluationError(f"The cost of {model.path} cannot be measured: {last}.") from None
    except subprocess.TimeoutExpired:
        raise EvaluationError(
            f"{model.path} takes more than {_SECONDS} s for 64 tokens; give the machine rest."
        ) from None
