"""One HTML page of a comparison: figures, differences and plots; it needs no other file and no network."""

import base64
import io
from collections.abc import Iterator
from html import escape
from importlib.util import find_spec
from typing import Any

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "th,td{text-align:right;padding:.2rem .8rem;border-bottom:1px solid #ccc}"
    "th:first-child,td:first-child{text-align:left}img{max-width:100%}"
)
_QUALITY = ("pass@1", "exact match", "keystrokes saved")
_PLAIN = ("outcomes", "spread")
_BYTES, _SPEED = "MB on disk", "decode tokens/s"


def page(answer: dict[str, Any]) -> str:
    """The page for what `request.evaluated` gave."""
    models = answer["models"]
    labels = list(dict.fromkeys(label for model in models for label in model["measurements"]))
    parts = [f"<p>{escape(answer['date'])}, {escape(', '.join(f'{k} {v}' for k, v in answer['versions'].items()))}</p>"]
    for label in labels:
        parts += [f"<h2>{escape(label)}</h2>", _figures(label, models)]
    if answer["differences"]:
        parts += ["<h2>Differences</h2>", _differences(answer["differences"])]
    parts += ["<h2>Plots</h2>", *_plots(labels, models)]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>sned eval</title><style>{_STYLE}</style>'
    return f"{head}<h1>What the models are worth</h1>{''.join(parts)}</html>\n"


def pareto_front(points: list[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other is better than: less of the first and more of the second, by the first."""
    order = sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1]))
    front: list[int] = []
    for index in order:
        if not front or points[index][1] > points[front[-1]][1]:
            front.append(index)
    return front


def _figures(label: str, models: list[dict[str, Any]]) -> str:
    figures = [model["measurements"].get(label, {}) for model in models]
    names = list(dict.fromkeys(name for each in figures for name in each if name not in _PLAIN))
    rows = [
        [model["model"], f"{model['bytes'] / 1e6:,.0f}", *(_text(each.get(name)) for name in names)]
        for model, each in zip(models, figures, strict=True)
    ]
    return _table(["model", "MB", *names], rows)


def _differences(differences: list[dict[str, Any]]) -> str:
    rows = [
        [
            each["model"],
            each["against"],
            each["measurement"],
            each["figure"],
            f"{each['difference']:+.3f}",
            f"{each['low']:+.3f} to {each['high']:+.3f}",
            "" if each["p_value"] is None else f"{each['p_value']:.3f}",
        ]
        for each in differences
    ]
    return _table(["model", "against", "measured", "figure", "difference", "95 % interval", "McNemar's p"], rows)


def _plots(labels: list[str], models: list[dict[str, Any]]) -> Iterator[str]:
    if find_spec("matplotlib") is None:
        yield "<p>Plots need matplotlib: install sned with the extra <code>plots</code>, and measure again.</p>"
        return
    drawn = False
    for label in labels:
        for figure in _QUALITY:
            for axis in (_BYTES, _SPEED):
                points = [
                    (model["model"], _place(model, axis), model["measurements"].get(label, {}).get(figure))
                    for model in models
                ]
                known = [(name, x, y) for name, x, y in points if x is not None and y is not None]
                if len(known) > 1:
                    drawn = True
                    yield _plot(f"{figure}, {label}", axis, known, less_is_better=axis == _BYTES)
    if not drawn:
        yield "<p>Plots are of two models or more.</p>"


def _place(model: dict[str, Any], axis: str) -> float | None:
    if axis == _BYTES:
        return float(model["bytes"]) / 1e6
    speed = model["measurements"].get("cost", {}).get(_SPEED)
    return None if speed is None else float(speed)


def _plot(title: str, axis: str, points: list[tuple[str, float, float]], *, less_is_better: bool) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, x, y in points:
        axes.plot([x], [y], "o")
        axes.annotate(name, (x, y), textcoords="offset points", xytext=(4, 4), fontsize=8, parse_math=False)
    front = pareto_front([(x if less_is_better else -x, y) for _, x, y in points])
    axes.plot([points[index][1] for index in front], [points[index][2] for index in front], "--", linewidth=1)
    axes.set(xlabel=axis, ylabel=title)
    axes.margins(0.15)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110)
    alt = escape(f"{title} against {axis}; the dashed line is the Pareto front", quote=True)
    return f'<p><img alt="{alt}" src="data:image/png;base64,{base64.b64encode(image.getvalue()).decode()}"></p>'


def _table(head: list[str], rows: list[list[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _text(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "" if value is None else str(value)
