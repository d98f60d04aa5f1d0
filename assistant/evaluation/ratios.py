"""A sub-model's perplexity over its base model's, on held-out code of its language found on the machine."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from assistant.evaluation.measurement import Measured, Subject
from assistant.evaluation.predicting import BITS, PERPLEXITY, found_here_label
from assistant.evaluation.subjects import subject_of
from assistant.store import Store

RATIO = "of its base's"


def perplexity_ratio(summary: Mapping[str, Any], base: Mapping[str, Any]) -> float:
    """The ratio of perplexities on the same text, both counted by the tokens of `base`.

    From bits a byte, as a trimmed vocabulary cuts the text into more tokens: a token's share of the base's
    log-likelihood, times how much more of it the other model needs.
    """
    return float(base[PERPLEXITY] ** (summary[BITS] / base[BITS] - 1.0))


def add_ratios(home: Path, measured: Sequence[Measured], predicted: Callable[[Subject, str], Measured]) -> None:
    """Adds the ratio to the summaries of sub-models of the store whose base model is there, too.

    Args:
        home: the store's.
        measured: what was measured; bases that are not among them are asked for.
        predicted: measures a base model's predictions of the text with that label, or tells what was measured.
    """
    store = Store(home)
    submodels = {entry.manifest.sha256: entry.manifest for entry in store.submodels()}
    known = {each.subject.sha256: each for each in measured}
    for each in measured:
        manifest = submodels.get(each.subject.sha256)
        if manifest is None or (label := found_here_label(manifest.language)) not in each.summaries:
            continue
        base = store.base(manifest.base.name)
        if manifest.base.sha256 not in known:
            if base is None or base.manifest.sha256 != manifest.base.sha256:
                continue
            known[manifest.base.sha256] = predicted(subject_of(base), label)
        if label in (summaries := known[manifest.base.sha256].summaries):
            each.summaries[label][RATIO] = perplexity_ratio(each.summaries[label], summaries[label])


def add_ratios_to(dense: Measured, measured: Sequence[Measured]) -> None:
    """Adds to the summaries of predictions, of any language, their ratio to those of the dense model."""
    for each in measured:
        for label, summary in each.summaries.items():
            if PERPLEXITY in summary and label in dense.summaries:
                summary[RATIO] = perplexity_ratio(summary, dense.summaries[label])
