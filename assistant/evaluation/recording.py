"""Which of the figures measured are kept with the models, for their lists."""

from collections.abc import Sequence
from pathlib import Path

from assistant.evaluation.measurement import Measured
from assistant.evaluation.predicting import BITS, PERPLEXITY
from assistant.evaluation.ratios import RATIO
from assistant.manifest import PERPLEXITY_RATIO
from assistant.quality import add_quality

_KEPT = ("pass@1", "exact match", "edit similarity", "keystrokes saved", PERPLEXITY, BITS)


def record_quality(home: Path, measured: Sequence[Measured]) -> None:
    """Keeps each model's figures, and a sub-model's perplexity over its base model's where that was measured.

    Raises:
        OSError: they cannot be written.
    """
    for each in measured:
        figures = {
            f"{name}, {label}": float(value)
            for label, summary in each.summaries.items()
            for name, value in summary.items()
            if name in _KEPT
        }
        for summary in each.summaries.values():
            if RATIO in summary:
                figures[PERPLEXITY_RATIO] = float(summary[RATIO])
        if figures:
            add_quality(home, each.subject.sha256, figures)
