"""Several models side by side: each one's figures, and how the others differ from the first."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from assistant.evaluation.measurement import Measured
from assistant.evaluation.statistics import compare


def report(measured: Sequence[Measured]) -> dict[str, Any]:
    """Figures of each model, and differences from the first one by measurement and figure, such as JSON has."""
    models = [
        {
            "model": each.subject.name,
            "sha256": each.subject.sha256,
            "bytes": each.subject.size,
            "language": None if each.subject.selection.language is None else each.subject.selection.language.value,
            "measurements": each.summaries,
            "missing": each.missing,
        }
        for each in measured
    ]
    first, *others = measured
    differences = [
        {"model": other.subject.name, "against": first.subject.name, "measurement": label, "figure": figure}
        | asdict(found)
        for other in others
        for label, figures in first.scores.items()
        for figure, scores in figures.items()
        if (found := compare(scores, other.scores.get(label, {}).get(figure, {}))) is not None
    ]
    return {"models": models, "differences": differences}
