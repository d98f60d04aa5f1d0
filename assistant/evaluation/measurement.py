"""What can be measured of a model: results a task at a time, and what they come to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine
from assistant.evaluation.journal import Journal, Kept, OpenJournal, Result
from assistant.selection import Selection

Advanced = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that is measured.

    Attributes:
        selection: where it is, and what is known of it.
        sha256: of its file.
        size: bytes of its file.
    """

    selection: Selection
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """What it is called."""
        return self.selection.name


class OpenedModel:
    """A model that is loaded when it is first asked for.

    Attributes:
        path: its file.
    """

    def __init__(self, path: Path, open_engine: Callable[[], Engine]) -> None:
        """Nothing is loaded yet."""
        self.path = path
        self._open_engine = open_engine
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The model, loaded.

        Raises:
            EngineError: it cannot be.
        """
        self._engine = self._engine or self._open_engine()
        return self._engine

    def close(self) -> None:
        """Frees it."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None


class Measurement(Protocol):
    """One thing that is measured, in the same way of every model."""

    @property
    def label(self) -> str:
        """What it is called in tables, such as `python.jsonl, chat`."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that its results depend on besides the model, such as JSON has."""
        ...

    def missing(self, kept: Kept) -> int:
        """How many results have still to be made, where there are these."""
        ...

    def run(self, model: OpenedModel, journal: OpenJournal, advanced: Advanced, cancel: Cancellation) -> None:
        """Makes the results that are missing, each kept in the journal as it comes.

        `advanced` is told how many there are, of how many.

        Raises:
            EngineError: the model fails.
            KeyboardInterrupt: it was cancelled.
        """
        ...

    def results(self, kept: Kept) -> list[Result]:
        """All results, in order; `run` has made those that were missing."""
        ...

    def summary(self, results: Sequence[Result]) -> dict[str, Any]:
        """What they come to: figures by name."""
        ...

    def scores(self, results: Sequence[Result]) -> dict[str, dict[str, float]]:
        """For each figure that models are compared by, the score of each task."""
        ...


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one model, by a measurement's label.

    Attributes:
        subject: the model.
        summaries: figures.
        scores: by figure and task.
        missing: how many results there are not yet, where measuring was not asked for.
    """

    subject: Subject
    summaries: dict[str, dict[str, Any]] = field(default_factory=dict)
    scores: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured of each model.

    Attributes:
        measurements: the same for all.
        folder: of journals.
        again: what the journals have is dropped.
        only_kept: nothing is measured; what the journals have tells.
    """

    measurements: Sequence[Measurement]
    folder: Path
    again: bool = False
    only_kept: bool = False


def measure(
    subject: Subject,
    plan: Plan,
    open_engine: Callable[[], Engine],
    advanced: Callable[[str, int, int], None],
    cancel: Cancellation,
) -> Measured:
    """Measures one model, going on from what the journals have; it is loaded only if something is missing.

    Raises:
        EngineError: it cannot be loaded, or fails.
        EvaluationError: a journal cannot be used.
        KeyboardInterrupt: it was cancelled.
    """
    model = OpenedModel(subject.selection.path, open_engine)
    measured = Measured(subject)
    try:
        for measurement in plan.measurements:
            label = measurement.label
            journal = Journal(plan.folder, {"model": subject.sha256, **measurement.settings})
            kept: Kept
            if plan.only_kept:
                kept = journal.read()
            else:
                with journal.open(again=plan.again) as held:
                    if measurement.missing(held.results):
                        measurement.run(model, held, partial(advanced, label), cancel)
                    kept = held.results
            if missing := measurement.missing(kept):
                measured.missing[label] = missing
                continue
            results = measurement.results(kept)
            measured.summaries[label] = measurement.summary(results)
            measured.scores[label] = measurement.scores(results)
    finally:
        model.close()
    return measured
