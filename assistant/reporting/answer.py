"""The evidence as plain data, and as the lines a terminal shows."""

import math
from typing import Any

from assistant.reporting.evidence import Evidence


def as_data(evidence: Evidence) -> dict[str, Any]:
    """Everything that the page shows, in lists and dictionaries that JSON has."""
    return {
        "models": [
            {
                "name": model.name,
                "path": str(model.path),
                "label": label,
                "language": model.language.value if model.language is not None else None,
                "sparsity": evidence.sparsity(index),
                "sparsity_by_block": [evidence.sparsity(index, block) for block in evidence.blocks],
                "sparsity_by_matrix": {
                    f"blk.{block}.{kind}.weight": zeros / size
                    for (block, kind), (zeros, size) in evidence.zeros[index].items()
                },
                "error_by_block": [_number(evidence.mean_error(index, block)) for block in evidence.blocks],
                "error_by_matrix": dict(model.errors),
            }
            for index, (model, label) in enumerate(zip(evidence.models, evidence.labels, strict=True))
        ],
        "comparisons": [
            {
                "models": [evidence.models[each.one].name, evidence.models[each.other].name],
                "distance": each.whole.distance,
                "distance_by_chance": evidence.by_chance(each),
                "distance_by_block": [each.of_block(block).distance for block in evidence.blocks],
                "distance_by_matrix": {
                    f"blk.{block}.{kind}.weight": found.distance for (block, kind), found in each.overlaps.items()
                },
            }
            for each in evidence.comparisons
        ],
        "most_different_blocks": [
            {"block": block, "mean_distance": distance} for block, distance in evidence.most_different()
        ],
    }


def table_lines(evidence: Evidence) -> list[str]:
    """A table of layers: the sparsity of each model, the mean error of its matrices' outputs where that was measured,
    then the Jaccard distance of every two; and what stands out."""
    models = range(len(evidence.models))
    measured = [index for index in models if evidence.models[index].errors]
    columns = [(evidence.labels[index], "zeros") for index in models]
    columns += [(evidence.labels[index], "error") for index in measured]
    columns += [(evidence.pair(each), "distance") for each in evidence.comparisons]
    lines = [f"{number:>3}  {what:<9} {label}" for number, (label, what) in enumerate(columns, 1)]
    lines += ["", "layer" + "".join(f"{f'({number})':>8}" for number in range(1, len(columns) + 1))]
    for block in evidence.blocks:
        cells = [evidence.sparsity(index, block) for index in models]
        cells += [evidence.mean_error(index, block) for index in measured]
        cells += [each.of_block(block).distance for each in evidence.comparisons]
        lines.append(f"{block:>5}" + "".join(map(_cell, cells)))
    cells = [evidence.sparsity(index) for index in models] + [evidence.mean_error(index) for index in measured]
    cells += [each.whole.distance for each in evidence.comparisons]
    lines.append("  all" + "".join(map(_cell, cells)))
    return [*lines, *_summary(evidence)]


def _summary(evidence: Evidence) -> list[str]:
    if not evidence.comparisons:
        return []
    chance = _mean([evidence.by_chance(each) for each in evidence.comparisons])
    most = ", ".join(f"{block} ({distance:.3f})" for block, distance in evidence.most_different())
    kinds = [
        (kind, _mean([evidence.mean_distance(block, kind) for block in evidence.blocks])) for kind in evidence.kinds
    ]
    by_kind = ", ".join(f"{kind} ({distance:.3f})" for kind, distance in sorted(kinds, key=lambda pair: -pair[1]))
    return [
        "",
        f"Masks that have nothing to do with each other would have a distance of {chance:.3f}; equal ones have 0.",
        f"Layers that differ most: {most}.",
        f"Matrices that differ most: {by_kind}.",
    ]


def _mean(values: list[float]) -> float:
    there = [value for value in values if not math.isnan(value)]
    return sum(there) / len(there) if there else math.nan


def _number(value: float) -> float | None:
    """JSON has no word for what is not a number."""
    return None if math.isnan(value) else value


def _cell(value: float) -> str:
    return f"{value:>8.3f}"
