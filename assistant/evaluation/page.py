"""One HTML page of a comparison: figures, differences and plots; it needs no other file and no network."""

from collections.abc import Iterator
from html import escape
from importlib.util import find_spec
from typing import Any

from assistant.evaluation.matrix_table import MatrixTable, matrix_tables, row_label
from assistant.evaluation.plots import language_plot, quality_plots

_STYLE = """
:root{color-scheme:light dark;--line:#d4d4d4;--own:#dcebfa;--quiet:#666}
@media (prefers-color-scheme:dark){:root{--line:#444;--own:#1d3b57;--quiet:#a0a0a0}}
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem}.quiet{color:var(--quiet)}
.wide{overflow-x:auto}table{border-collapse:collapse;margin:.8rem 0;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.25rem .8rem;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0}.own{background:var(--own);font-weight:600}
figure{margin:1rem 0}figure svg{max-width:100%;height:auto}
"""
_PLAIN = ("outcomes", "spread", "samples", "tasks")
_WITHOUT_PLOTS = "<p>Plots need matplotlib: install sned with the extra <code>plots</code>, and measure again.</p>"


def page(answer: dict[str, Any]) -> str:
    """The page for what `running.evaluated` or `matrix.matrix` gave."""
    models = answer["models"]
    labels = list(dict.fromkeys(label for model in models for label in (*model["measurements"], *model["missing"])))
    facts = [answer["date"]] + [
        f"{key} {value}" for about in ("machine", "versions") for key, value in answer[about].items()
    ]
    parts = [f'<p class="quiet">{escape(", ".join(facts))}</p>']
    if "matrix" in answer:
        parts += ["<h2>Quality by language</h2>", *_by_language(matrix_tables(answer))]
    for label in labels:
        parts += [f"<h2>{escape(label)}</h2>", _figures(label, models)]
    if answer["differences"]:
        against = escape(answer["differences"][0]["against"])
        parts += [f"<h2>Differences from {against}</h2>", _differences(answer["differences"])]
    parts += ["<h2>Plots</h2>", *_plots(labels, models)]
    head = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>sned eval</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
    )
    return f"{head}<h1>What the models are worth</h1>{''.join(parts)}</html>\n"


def _by_language(tables: list[MatrixTable]) -> Iterator[str]:
    yield "<p>Rows are models by what they were calibrated on; a language's own sub-model is marked.</p>"
    for table in tables:
        head = [table.title, *(language.label for language in table.languages)]
        rows = [[row_label(row), *map(_text, values)] for row, values in table.rows.items()]
        marked = {
            (number, column)
            for number, row in enumerate(table.rows)
            for column, language in enumerate(table.languages, 1)
            if language.value == row
        }
        yield _table(head, rows, marked)
        if find_spec("matplotlib") is not None:
            yield language_plot(table)


def _figures(label: str, models: list[dict[str, Any]]) -> str:
    figures = [model["measurements"].get(label, {}) for model in models]
    names = list(dict.fromkeys(name for each in figures for name in each if name not in _PLAIN))
    rows = [
        [model["model"], f"{model['bytes'] / 1e6:,.0f}", *_values(names, each, model["missing"].get(label))]
        for model, each in zip(models, figures, strict=True)
    ]
    return _table(["model", "MB", "tasks", *names], rows)


def _values(names: list[str], figures: dict[str, Any], missing: int | None) -> list[str]:
    """How many tasks, or how many of them are missing yet; and the figures."""
    tasks = _text(figures.get("tasks")) if missing is None else f"{missing} to go"
    return [tasks, *(_text(figures.get(name)) for name in names)]


def _differences(differences: list[dict[str, Any]]) -> str:
    rows = [
        [
            each["model"],
            each["measurement"],
            each["figure"],
            f"{each['difference']:+.3f}",
            f"{each['low']:+.3f} to {each['high']:+.3f}",
            "" if each["p_value"] is None else f"{each['p_value']:.3f}",
        ]
        for each in differences
    ]
    return _table(["model", "measured", "figure", "difference", "95 % interval", "McNemar's p"], rows)


def _plots(labels: list[str], models: list[dict[str, Any]]) -> list[str]:
    if find_spec("matplotlib") is None:
        return [_WITHOUT_PLOTS]
    return list(quality_plots(labels, models)) or ["<p>Plots are of two models or more.</p>"]


def _table(head: list[str], rows: list[list[str]], marked: set[tuple[int, int]] | None = None) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{' class=own' if marked and (number, column) in marked else ''}>{escape(cell)}</td>"
            for column, cell in enumerate(row)
        )
        + "</tr>"
        for number, row in enumerate(rows)
    )
    return f'<div class="wide"><table><tr>{top}</tr>{body}</table></div>'


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"
    return "" if value is None else str(value)
