"""The search: what costs little to know comes first, and half of what is left is dropped at each stage.

Successive halving (Jamieson and Talwalkar, arXiv 1502.07943) over four stages, each a better and dearer look: sizes,
which are computed; masks by perplexity of what pruning alone leaves; what is left of them, trained, by perplexity; and
those that are left then, by pass@1 where there are tasks.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from assistant.tuning.candidates import Candidate, pruned_alone
from assistant.tuning.limits import Limits

# So many are left at each stage at least: the best by perplexity is not always the best by pass@1.
_LEAST = 2
# Rounding to fewer bits has to leave no more than this share of the bytes.
_SAVES = 0.98


class OutOfTimeError(Exception):
    """The budget does not suffice for what was asked."""


class Laboratory(Protocol):
    """Where candidates are made and measured; what was measured before is not measured again.

    What measures raises OutOfTimeError where time is up, and UnbuildableError where a candidate cannot be made.
    """

    @property
    def has_tasks(self) -> bool:
        """Whether `solved` says anything."""
        ...

    def size(self, candidate: Candidate) -> int:
        """Bytes of its file: of the file itself where there is one, predicted otherwise."""
        ...

    def perplexity_ratio(self, candidate: Candidate) -> float:
        """Its perplexity over the reference's, on held-out code."""
        ...

    def solved(self, candidate: Candidate) -> float | None:
        """Its pass@1 over the reference's; None where that one solves nothing."""
        ...

    def seconds(self, candidate: Candidate) -> float:
        """To its first suggestion, with the loading."""
        ...


class UnbuildableError(Exception):
    """A candidate cannot be made here; the message says why."""


@dataclass(slots=True)
class Row:
    """What is known of a candidate, and why it was dropped; None if it was not."""

    candidate: Candidate
    size: int
    ratio: float | None = None
    solved: float | None = None
    seconds: float | None = None
    dropped: str | None = None

    @property
    def quality(self) -> float | None:
        """As a share of the dense reference's: pass@1 over its, or its perplexity over the candidate's."""
        if self.solved is not None:
            return self.solved
        return None if self.ratio is None else 1.0 / self.ratio


@dataclass(frozen=True, slots=True)
class Outcome:
    """All rows, and the one that is recommended; None if none keeps to the limits.

    `complete` says whether there was time for all stages.
    """

    rows: list[Row]
    recommended: Row | None
    complete: bool


def search(every: Sequence[Candidate], limits: Limits, laboratory: Laboratory, note: Callable[[str], None]) -> Outcome:
    """The candidate of best quality within the limits; of equal ones the smaller."""
    rows = [Row(candidate, laboratory.size(candidate)) for candidate in every]
    _drop_by_size(rows, limits)
    _drop_no_smaller(rows)
    _drop_lesser_forms(rows, limits)
    complete = True
    try:
        _look_at_masks(rows, limits, laboratory, note)
        _look_at_predictions(rows, limits, laboratory, note)
        _look_at_tasks(rows, laboratory, note)
    except OutOfTimeError:
        complete = False
        for row in _left(rows):
            if row.ratio is None:
                row.dropped = "no time was left to measure it"
    for row in _left(rows):
        if limits.least_quality is not None and row.quality is not None and row.quality < limits.least_quality:
            row.dropped = f"{row.quality:.2f} of the dense model's quality is less than {limits.least_quality:g}"
    # A share of pass@1 and one of perplexity are no ranking together.
    tested = [row for row in _left(rows) if row.solved is not None]
    ranked = sorted(tested or _left(rows), key=lambda row: (-(row.quality or 0.0), row.size))
    return Outcome(rows, next(iter(ranked), None), complete)


def _left(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row.dropped is None]


def _drop_by_size(rows: list[Row], limits: Limits) -> None:
    for row in rows:
        if limits.most_bytes is not None and row.size > limits.most_bytes:
            row.dropped = f"{row.size / 1e6:,.0f} MB is more than {limits.most_bytes / 1e6:,.0f}"


def _drop_no_smaller(rows: list[Row]) -> None:
    """Rounding that saves nothing, as a base model may have as few bits already."""
    given = {row.candidate.base: row.size for row in rows if row.candidate.is_given}
    for row in _left(rows):
        if row.candidate.file_type is not None and row.size > _SAVES * given[row.candidate.base]:
            row.dropped = "it is hardly smaller than the base model as it is"


def _drop_lesser_forms(rows: list[Row], limits: Limits) -> None:
    """Leaves the form that keeps most of each mask and reconstruction; and the smallest, too, where speed counts."""
    forms: dict[tuple[object, ...], list[Row]] = {}
    for row in _left(rows):
        if row.candidate.recipe is not None:
            forms.setdefault((row.candidate.mask, row.candidate.recipe.reconstruction), []).append(row)
    for same in forms.values():
        wanted = [same[0], *([min(same, key=lambda row: row.size)] if limits.most_seconds is not None else [])]
        for row in same:
            if row not in wanted:
                row.dropped = "a form that keeps more is within the limits"


def _look_at_masks(rows: list[Row], limits: Limits, laboratory: Laboratory, note: Callable[[str], None]) -> None:
    """Measures models that are not pruned, and what pruning alone leaves of the others; half of the masks go."""
    found: dict[tuple[str, str, float], float] = {}
    failed: dict[tuple[str, str, float], str] = {}
    for row in _left(rows):
        mask = row.candidate.mask
        if mask is None:
            _predict(row, limits, laboratory, note)
        elif mask in failed:
            row.dropped = failed[mask]
        elif mask not in found:
            alone = pruned_alone(row.candidate)
            note(f"Masks: {alone.label}")
            try:
                found[mask] = laboratory.perplexity_ratio(alone)
            except UnbuildableError as error:
                row.dropped = failed[mask] = str(error)
    ranked = sorted(found, key=lambda mask: found[mask])
    kept = ranked[: max(_LEAST, -(-len(ranked) // 2))]
    for row in _left(rows):
        mask = row.candidate.mask
        if mask in found and mask not in kept:
            row.dropped = f"pruned alone, its mask gives {found[mask]:.2f} times the perplexity; others do better"


def _look_at_predictions(rows: list[Row], limits: Limits, laboratory: Laboratory, note: Callable[[str], None]) -> None:
    """Measures what is left by perplexity and, where it is limited, speed; half of it goes."""
    for row in _left(rows):
        if row.ratio is None:
            _predict(row, limits, laboratory, note)
    ranked = sorted(_left(rows), key=lambda row: row.ratio or 0.0)
    for row in ranked[max(_LEAST, -(-len(ranked) // 2)) :]:
        row.dropped = f"{row.ratio:.2f} times the perplexity; others do better"


def _predict(row: Row, limits: Limits, laboratory: Laboratory, note: Callable[[str], None]) -> None:
    note(f"Predictions: {row.candidate.label}")
    try:
        row.ratio = laboratory.perplexity_ratio(row.candidate)
        row.size = laboratory.size(row.candidate)
        if limits.most_seconds is not None:
            row.seconds = laboratory.seconds(row.candidate)
    except UnbuildableError as error:
        row.dropped = str(error)
        return
    _drop_by_size([row], limits)
    if limits.most_seconds is not None and row.seconds is not None and row.seconds > limits.most_seconds:
        row.dropped = f"{row.seconds:.1f} s to the first suggestion is more than {limits.most_seconds:g}"


def _look_at_tasks(rows: list[Row], laboratory: Laboratory, note: Callable[[str], None]) -> None:
    """Measures what is left by tasks, where there are some."""
    for row in _left(rows) if laboratory.has_tasks else []:
        note(f"Tasks: {row.candidate.label}")
        row.solved = laboratory.solved(row.candidate)
