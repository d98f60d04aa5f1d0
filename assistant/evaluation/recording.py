"""Which of the figures measured are kept with the models, for their lists."""

from collections.abc import Sequence
from pathlib import Path

from assistant.evaluation.measurement import Measured
from assistant.evaluation.predicting import BITS, PERPLEXITY
from assistant.manifest import PERPLEXITY_RATIO
from assistant.quality import add_quality
from assistant.store import Store

_KEPT = ("pass@1", "exact match", "edit similarity", "keystrokes saved", PERPLEXITY, BITS)


def record_quality(home: Path, measured: Sequence[Measured]) -> None:
    """Keeps each model's figures, and beside its base model a sub-model's perplexity over that one's.

    The ratio is of code found on the machine where that was measured, as it is the same for all projects; it is told
    only where the vocabularies are the same, as perplexity counts tokens.

    Raises:
        OSError: they cannot be written.
    """
    submodels = {entry.manifest.sha256: entry.manifest for entry in Store(home).submodels()}
    predicted = {each.subject.sha256: _predictions(each) for each in measured}
    for each in measured:
        figures = {
            f"{name}, {label}": float(value)
            for label, summary in each.summaries.items()
            for name, value in summary.items()
            if name in _KEPT
        }
        manifest = submodels.get(each.subject.sha256)
        if manifest is not None and manifest.vocabulary is None:
            own, base = predicted[each.subject.sha256], predicted.get(manifest.base.sha256, {})
            ratios = [own[label] / base[label] for label in own if base.get(label)]
            if ratios:
                figures[PERPLEXITY_RATIO] = ratios[-1]
        if figures:
            add_quality(home, each.subject.sha256, figures)


def _predictions(measured: Measured) -> dict[str, float]:
    return {label: float(summary[PERPLEXITY]) for label, summary in measured.summaries.items() if PERPLEXITY in summary}
