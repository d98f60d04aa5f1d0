"""The evidence as one HTML page that needs nothing beside it: tables whose cells are shaded by their value."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape

from assistant.reporting.evidence import Evidence

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
       color: #1b1b1b; background: #fff; }
table { border-collapse: collapse; font-size: 12px; font-variant-numeric: tabular-nums; margin: 0.5rem 0 1.5rem; }
th, td { padding: 0.2rem 0.45rem; text-align: right; }
th { font-weight: 600; }
th[scope="row"] { text-align: left; white-space: nowrap; }
.wide { overflow-x: auto; }
.note { color: #555; }
@media (prefers-color-scheme: dark) {
  body { color: #e6e6e6; background: #16181c; }
  .note { color: #a8a8a8; }
}
"""


@dataclass(frozen=True, slots=True)
class _Grid:
    """A table of numbers, shaded from `low` to `high`; `value` gives that of a row and a column."""

    rows: Sequence[str]
    columns: Sequence[str]
    value: Callable[[int, int], float]
    low: float
    high: float


def page(evidence: Evidence) -> str:
    """The whole page; whatever names and files say is text in it."""
    title = f"Pruned weights of {', '.join(evidence.labels)}"
    sections = [_models(evidence), _distances(evidence), _sparsity(evidence), _errors(evidence)]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        f"{''.join(sections)}</body>\n</html>\n"
    )


def _models(evidence: Evidence) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th><td>{escape(model.name)}</td>'
        f"<td>{evidence.sparsity(index):.1%}</td></tr>\n"
        for index, (model, label) in enumerate(zip(evidence.models, evidence.labels, strict=True))
    )
    return f"<table>\n<tr><th></th><th>model</th><th>zeros</th></tr>\n{rows}</table>\n"


def _distances(evidence: Evidence) -> str:
    if not evidence.comparisons:
        return _section("Masks", _note("Name two models or more to have their masks compared."))
    blocks, kinds, comparisons = evidence.blocks, evidence.kinds, evidence.comparisons
    pairs = [evidence.pair(each) for each in comparisons]
    by_block = [[each.of_block(block).distance for block in blocks] for each in comparisons]
    by_kind = [[evidence.mean_distance(block, kind) for block in blocks] for kind in kinds]
    low, high = _range([*by_block, *by_kind])
    most = ", ".join(f"{block} ({distance:.3f})" for block, distance in evidence.most_different())
    whole = "".join(
        f'<tr><th scope="row">{escape(pair)}</th><td>{each.whole.distance:.3f}</td>'
        f"<td>{evidence.by_chance(each):.3f}</td></tr>\n"
        for pair, each in zip(pairs, comparisons, strict=True)
    )
    return _section(
        "Jaccard distance of masks",
        _note(
            "Of the weights that either model keeps, the share that only one of them keeps: 0 for equal masks. "
            "By chance: what masks that have nothing to do with each other would have."
        ),
        f"<table>\n<tr><th></th><th>all layers</th><th>by chance</th></tr>\n{whole}</table>\n",
        "<h3>By layer</h3>\n",
        _table(_Grid(pairs, [*map(str, blocks)], lambda row, column: by_block[row][column], low, high)),
        f"<p>Layers that differ most, on average: {most}.</p>\n",
        "<h3>By matrix and layer, mean of all pairs</h3>\n" if len(pairs) > 1 else "<h3>By matrix and layer</h3>\n",
        _table(_Grid(kinds, [*map(str, blocks)], lambda row, column: by_kind[row][column], low, high)),
    )


def _sparsity(evidence: Evidence) -> str:
    tables = []
    for index, label in enumerate(evidence.labels):
        value = _by_place(evidence, partial(evidence.sparsity, index))
        tables.append(f"<h3>{escape(label)}</h3>\n{_table(value)}")
    return _section("Sparsity", _note("Fraction of exact zeros, as the file has them."), *tables)


def _errors(evidence: Evidence) -> str:
    if not evidence.has_errors:
        return _section("Error by layer", _note("The builds of these models did not measure it."))
    tables = []
    for index, (model, label) in enumerate(zip(evidence.models, evidence.labels, strict=True)):
        if model.errors:
            value = _by_place(evidence, partial(evidence.error, index))
            tables.append(f"<h3>{escape(label)}</h3>\n{_table(value)}")
    note = _note("Relative squared error of each matrix's output on the calibration set, as the build measured it.")
    return _section("Error by layer", note, *tables)


def _by_place(evidence: Evidence, value: Callable[[int, str], float]) -> _Grid:
    """Matrices in rows, layers in columns."""
    values = [[value(block, kind) for block in evidence.blocks] for kind in evidence.kinds]
    low, high = _range(values)
    columns = [*map(str, evidence.blocks)]
    return _Grid(evidence.kinds, columns, lambda row, column: values[row][column], low, high)


def _section(title: str, *parts: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{''.join(parts)}"


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>\n'


def _table(grid: _Grid) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in grid.columns)
    body = "".join(
        f'<tr><th scope="row">{escape(row)}</th>'
        + "".join(_cell(grid.value(at, column), grid) for column in range(len(grid.columns)))
        + "</tr>\n"
        for at, row in enumerate(grid.rows)
    )
    return f'<div class="wide"><table>\n<tr><th></th>{head}</tr>\n{body}</table></div>\n'


def _cell(value: float, grid: _Grid) -> str:
    if math.isnan(value):
        return "<td></td>"
    share = (value - grid.low) / (grid.high - grid.low) if grid.high > grid.low else 0.0
    # Blue on whatever ground: text stays readable where it is palest and where it is fullest.
    return f'<td style="background: rgb(64 128 224 / {0.65 * share:.2f})">{value:.3f}</td>'


def _range(rows: Sequence[Sequence[float]]) -> tuple[float, float]:
    there = [value for row in rows for value in row if not math.isnan(value)]
    return (min(there), max(there)) if there else (0.0, 0.0)
