"""Candidates made and measured on this machine, within a budget of time."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assistant.build import Built
from assistant.digest import sha256_of
from assistant.engine.requantising import requantise
from assistant.errors import BuildError, CheckpointError, EngineError, UsageError
from assistant.evaluation.cost import CostMeasurement
from assistant.evaluation.journal import Journal, Result
from assistant.evaluation.making import MadeModels, Wanted
from assistant.evaluation.matrix import Listener
from assistant.evaluation.measurement import Measured, Measurement, Plan, Subject
from assistant.evaluation.ratios import perplexity_ratio
from assistant.evaluation.request import EvaluationRequest
from assistant.evaluation.running import Runner
from assistant.evaluation.subjects import subject_of
from assistant.languages import Language
from assistant.recipe import RECIPE_VERSION
from assistant.selection import Selection
from assistant.settings import Settings
from assistant.store import BaseEntry
from assistant.tuning.candidates import Candidate
from assistant.tuning.search import OutOfTimeError, UnbuildableError
from assistant.tuning.sizes import predicted_size, rounded_size
from prune.gguf_file import GGUFFile

_TURNS = 3


@dataclass(frozen=True, slots=True)
class Bench:
    """What candidates are measured with.

    Attributes:
        language: that sub-models are cut for.
        project: whose code is calibrated on.
        bases: by name; the first one as it is is what all are compared with.
        predictions: held-out code.
        functions: tasks, if there are some.
        evaluation: how models are loaded.
    """

    language: Language
    project: Path | None
    bases: Mapping[str, BaseEntry]
    predictions: Measurement
    functions: Sequence[Measurement]
    evaluation: EvaluationRequest


class MachineLaboratory:
    """Builds candidates into a store of their own, and keeps what it learned of them in a journal."""

    def __init__(self, bench: Bench, settings: Settings, listener: Listener, deadline: float) -> None:
        """`deadline` is of `time.monotonic`."""
        self._bench, self._settings, self._listener, self._deadline = bench, settings, listener, deadline
        self._models = MadeModels(settings)
        self._folder = settings.home / "evaluations"
        project = None if bench.project is None else str(bench.project.resolve())
        about = {"measurement": "tuning", "language": bench.language.value, "project": project}
        self._journal = Journal(self._folder, about | {"version": RECIPE_VERSION})
        self._made = dict(self._journal.read())
        self._reference = Candidate(next(iter(bench.bases)))

    @property
    def has_tasks(self) -> bool:
        """Whether there are tasks."""
        return bool(self._bench.functions)

    def forget(self) -> None:
        """Drops what is known of sub-models that were made, so that they are made of the project as it is now."""
        self._made = {}
        with self._journal.open(again=True):
            pass

    def size(self, candidate: Candidate) -> int:
        """Bytes of its file; predicted where it was not made."""
        base = self._bench.bases[candidate.base]
        if candidate.is_given:
            return base.manifest.size
        if (known := self._known(candidate)) is not None:
            return int(known["size"])
        with GGUFFile(base.path) as file:
            if candidate.file_type is not None:
                return rounded_size(file, candidate.file_type)
            assert candidate.recipe is not None
            return predicted_size(file, candidate.recipe)

    def perplexity_ratio(self, candidate: Candidate) -> float:
        """Its perplexity over the reference's, counted by the reference's tokens."""
        label = self._bench.predictions.label
        reference = self._measured(self._reference, [self._bench.predictions]).summaries[label]
        return perplexity_ratio(self._measured(candidate, [self._bench.predictions]).summaries[label], reference)

    def solved(self, candidate: Candidate) -> float | None:
        """Its mean pass@1 over the reference's; None where the reference solves none."""
        reference = self._pass_at_1(self._reference)
        return None if reference == 0 else self._pass_at_1(candidate) / reference

    def seconds(self, candidate: Candidate) -> float:
        """The median time to its first suggestion, with the loading."""
        cost = CostMeasurement(_TURNS, self._settings.threads)
        return float(self._measured(candidate, [cost]).summaries[cost.label]["first suggestion s"])

    def rounded_file(self, candidate: Candidate) -> Path:
        """The file of a base model rounded, made again if it was removed.

        Raises:
            UnbuildableError: llama.cpp cannot.
        """
        subject = self._subject(candidate)
        if subject is None or not subject.selection.path.is_file():
            subject = self._make(candidate)
        return subject.selection.path

    def clear(self, but: Candidate | None) -> None:
        """Removes the files that were made here, but that of one candidate; what was measured of them stays."""
        known = None if but is None else self._known(but)
        keep = None if known is None else known["name"]
        names = {known["name"] for known in self._made.values() if known["new"]}
        for known in self._made.values():
            if known.get("rounded") and known["name"] != keep:
                Path(known["path"]).unlink(missing_ok=True)
        for entry in self._models.store.submodels():
            if entry.name in names and entry.name != keep:
                self._models.store.remove(entry)

    def _pass_at_1(self, candidate: Candidate) -> float:
        measured = self._measured(candidate, self._bench.functions)
        return sum(float(each["pass@1"]) for each in measured.summaries.values()) / len(measured.summaries)

    def _measured(self, candidate: Candidate, measurements: Sequence[Measurement]) -> Measured:
        """What was measured before, or is now; the file is made if it has to be."""
        request = self._bench.evaluation
        runner = Runner(request, self._settings, self._in_time(self._listener.advanced), self._listener.cancel)
        plan = Plan(measurements, self._folder)
        if (subject := self._subject(candidate)) is not None:
            kept = runner.measured(subject, replace(plan, only_kept=True))
            if not kept.missing:
                return kept
        if subject is None or not subject.selection.path.is_file():
            subject = self._make(candidate)
        return runner.measured(subject, plan)

    def _subject(self, candidate: Candidate) -> Subject | None:
        if candidate.is_given:
            return subject_of(self._bench.bases[candidate.base])
        known = self._known(candidate)
        if known is None:
            return None
        language = None if candidate.recipe is None else self._bench.language
        selection = Selection(Path(known["path"]), known["name"], language)
        return Subject(selection, known["sha256"], known["size"])

    def _known(self, candidate: Candidate) -> Result | None:
        """What is known of a file that was made; nothing of a base model as it is."""
        return None if candidate.is_given else self._made.get((self._key(candidate), 0))

    def _key(self, candidate: Candidate) -> str:
        made = candidate.file_type if candidate.recipe is None else candidate.recipe.as_dict()
        return f"{self._bench.bases[candidate.base].manifest.sha256[:16]} {made}"

    def _make(self, candidate: Candidate) -> Subject:
        if candidate.file_type is not None:
            return self._round(candidate, candidate.file_type)
        assert candidate.recipe is not None
        base, bench = self._bench.bases[candidate.base], self._bench
        wanted = Wanted(base, bench.language, candidate.recipe, bench.project)
        try:
            built: Built = self._models.made(wanted, self._in_time(self._listener.building), self._listener.cancel)
        except (BuildError, CheckpointError, UsageError) as error:
            raise UnbuildableError(str(error)) from error
        manifest = built.entry.manifest
        facts = {"name": manifest.name, "path": str(built.entry.path), "sha256": manifest.sha256, "size": manifest.size}
        before = self._known(candidate)
        new = built.new or (before is not None and bool(before["new"]))
        self._keep(candidate, facts | {"new": new})
        return subject_of(built.entry)

    def _round(self, candidate: Candidate, file_type: str) -> Subject:
        """Writes the base model rounded, beside the sub-models that are made."""
        base = self._bench.bases[candidate.base]
        self._listener.building(f"Rounding to {file_type}", 0.0)
        path = self._folder / "models" / "rounded" / f"{base.name}-{file_type}.gguf"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            requantise(base.path, file_type, path)
        except EngineError as error:
            raise UnbuildableError(str(error)) from error
        facts = {"name": path.stem, "path": str(path), "sha256": sha256_of(path), "size": path.stat().st_size}
        self._keep(candidate, facts | {"new": False, "rounded": True})
        found = self._subject(candidate)
        assert found is not None
        return found

    def _keep(self, candidate: Candidate, facts: Mapping[str, Any]) -> None:
        with self._journal.open() as held:
            held.add({"task": self._key(candidate), "sample": 0, **facts})
            self._made = dict(held.results)

    def _in_time(self, tell: Callable[..., None]) -> Callable[..., None]:
        def told(*arguments: Any) -> None:
            if time.monotonic() > self._deadline:
                raise OutOfTimeError
            tell(*arguments)

        return told
