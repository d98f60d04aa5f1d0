"""The evidence as PNGs, drawn by matplotlib (the extra `plots`)."""

import importlib.util
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO

import numpy as np

from assistant.reporting.evidence import Evidence


def can_plot() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def plots(evidence: Evidence) -> dict[str, bytes]:
    """PNGs by file name: `sparsity.png`, `distance.png` for two models or more, `error.png` where it was measured."""
    found = {
        "sparsity.png": _heat_maps(
            "Sparsity",
            [
                (label, evidence.kinds, _by_place(evidence, partial(evidence.sparsity, index)))
                for index, label in enumerate(evidence.labels)
            ],
            evidence.blocks,
        )
    }
    if evidence.comparisons:
        by_block = [[each.of_block(block).distance for block in evidence.blocks] for each in evidence.comparisons]
        by_kind = _by_place(evidence, evidence.mean_distance)
        pairs = [evidence.pair(each) for each in evidence.comparisons]
        maps = [("by layer", pairs, by_block), ("by matrix, mean of pairs", evidence.kinds, by_kind)]
        found["distance.png"] = _heat_maps("Jaccard distance of masks", maps, evidence.blocks)
    if evidence.has_errors:
        maps = [
            (label, evidence.kinds, _by_place(evidence, partial(evidence.error, index)))
            for index, label in enumerate(evidence.labels)
            if evidence.models[index].errors
        ]
        found["error.png"] = _heat_maps("Relative squared error of outputs", maps, evidence.blocks)
    return found


def _by_place(evidence: Evidence, value: Callable[[int, str], float]) -> list[list[float]]:
    return [[value(block, kind) for block in evidence.blocks] for kind in evidence.kinds]


def _heat_maps(
    title: str, maps: Sequence[tuple[str, Sequence[str], list[list[float]]]], blocks: Sequence[int]
) -> bytes:
    """A PNG of heat maps under each other, layers from left to right, with one scale of colours."""
    # The object-oriented interface: pyplot would choose a window system.
    from matplotlib.figure import Figure

    rows = [len(names) for _, names, _ in maps]
    width = 3.0 + 0.28 * len(blocks)
    figure = Figure(figsize=(width, 1.0 + sum(0.75 + 0.3 * count for count in rows)), layout="constrained", dpi=144)
    figure.suptitle(title)
    all_axes = figure.subplots(len(maps), 1, squeeze=False, height_ratios=rows)[:, 0]
    low = min(float(np.nanmin(values)) for _, _, values in maps)
    high = max(float(np.nanmax(values)) for _, _, values in maps)
    for axes, (name, names, values) in zip(all_axes, maps, strict=True):
        axes.imshow(values, aspect="auto", cmap="viridis", vmin=low, vmax=high)
        # Names come from users and files: a dollar sign begins no formula.
        axes.set_title(name, fontsize=9, parse_math=False)
        axes.set_yticks(range(len(names)), names, fontsize=8, parse_math=False)
        axes.set_xticks(range(len(blocks)), [str(block) for block in blocks], fontsize=7)
    all_axes[-1].set_xlabel("layer", fontsize=8)
    figure.colorbar(all_axes[-1].images[0], ax=list(all_axes))
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
