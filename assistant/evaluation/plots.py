"""Plots of a comparison as SVG that goes into a page: lines and words have the page's own colour, light or dark."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from assistant.evaluation.matrix_table import MatrixTable, row_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_QUALITY = ("pass@1", "exact match", "keystrokes saved")
_BYTES, _SPEED = "MB on disk", "decode tokens/s"
# Stands for the page's colour until the SVG is written; no plot has it otherwise.
_INK = "#010203"
_COLOURS = ("#4c8bc9", "#e08a3c", "#4fa36a", "#c4575b", "#8f78c0", "#9c7a5b", "#c978ae", "#8a8a8a")


def quality_plots(labels: Sequence[str], models: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Quality against bytes and against speed, of two models or more, each with its Pareto front."""
    for label in labels:
        for figure in _QUALITY:
            for axis in (_BYTES, _SPEED):
                points = [
                    (model["model"], _place(model, axis), model["measurements"].get(label, {}).get(figure))
                    for model in models
                ]
                known = [(name, x, y) for name, x, y in points if x is not None and y is not None]
                if len(known) > 1:
                    yield _scatter(f"{figure}, {label}", axis, known, less_is_better=axis == _BYTES)


def language_plot(table: MatrixTable) -> str:
    """Bars by language, one for each model."""
    figure, axes = _axes()
    width = 0.8 / len(table.rows)
    for number, (row, values) in enumerate(table.rows.items()):
        places = [column - 0.4 + width * (number + 0.5) for column in range(len(values))]
        heights = [0.0 if value is None else value for value in values]
        axes.bar(places, heights, width * 0.9, label=row_label(row), color=_COLOURS[number % len(_COLOURS)])
    axes.set_xticks(range(len(table.languages)), [language.label for language in table.languages])
    axes.set_ylabel(table.title)
    axes.set_ylim(0.0, max(1e-3, axes.get_ylim()[1]))
    place = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    axes.legend(title="calibrated on", labelcolor=_INK, frameon=False, **place).get_title().set_color(_INK)
    return _svg(figure, f"{table.title}, by language and model")


def pareto_front(points: list[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other is better than: less of the first and more of the second, by the first."""
    order = sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1]))
    front: list[int] = []
    for index in order:
        if not front or points[index][1] > points[front[-1]][1]:
            front.append(index)
    return front


def _place(model: Mapping[str, Any], axis: str) -> float | None:
    if axis == _BYTES:
        return float(model["bytes"]) / 1e6
    speed = model["measurements"].get("cost", {}).get(_SPEED)
    return None if speed is None else float(speed)


def _scatter(title: str, axis: str, points: list[tuple[str, float, float]], *, less_is_better: bool) -> str:
    figure, axes = _axes()
    front = pareto_front([(x if less_is_better else -x, y) for _, x, y in points])
    axes.plot([points[index][1] for index in front], [points[index][2] for index in front], "--", color=_INK, lw=1)
    for number, (name, x, y) in enumerate(points):
        # Names would lie over each other where models are alike.
        axes.plot([x], [y], "o", markersize=8, color=_COLOURS[number % len(_COLOURS)], label=name)
    axes.set(xlabel=axis, ylabel=title)
    axes.margins(0.15)
    legend = axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), labelcolor=_INK, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return _svg(figure, f"{title} against {axis}; the dashed line is the Pareto front")


def _axes() -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    figure.patch.set_alpha(0.0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0.0)
    axes.tick_params(colors=_INK)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    axes.grid(axis="y", color=_INK, alpha=0.15)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_color(_INK)
        spine.set_visible(side in {"left", "bottom"})
    return figure, axes


def _svg(figure: "Figure", description: str) -> str:
    """The figure as an element, without what only a file of its own needs."""
    from matplotlib import rc_context

    written = io.StringIO()
    # The same figures give the same page.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": description, "font.family": "sans-serif"}):
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    return f'<figure role="img" aria-label="{escape(description, quote=True)}">{text}</figure>'
