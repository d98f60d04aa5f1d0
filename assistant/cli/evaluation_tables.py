"""What `sned eval` says, as tables."""

from typing import Any

from rich.console import Console
from rich.table import Table

# Figures that are counts, or say what was done, rather than how well.
_PLAIN = ("tasks", "samples", "tokens", "seconds", "outcomes", "spread")


def print_report(answer: dict[str, Any]) -> None:
    """A table of figures for each measurement, and one of the differences from the first model."""
    console = _console()
    labels = list(dict.fromkeys(label for model in answer["models"] for label in model["measurements"]))
    for number, label in enumerate(labels):
        if number:
            console.print()
        _print_figures(console, label, answer["models"])
    if answer["differences"]:
        console.print()
        _print_differences(console, answer["differences"])


def _print_figures(console: Console, label: str, models: list[dict[str, Any]]) -> None:
    figures = [model["measurements"].get(label, {}) for model in models]
    names = list(dict.fromkeys(name for each in figures for name in each if name not in _PLAIN))
    table = _table(label, "MB", *names, "tasks")
    for model, each in zip(models, figures, strict=True):
        values = [_figure(each.get(name)) for name in names]
        table.add_row(model["model"], f"{model['bytes'] / 1e6:,.0f}", *values, str(each.get("tasks", "")))
    console.print(table)


def _print_differences(console: Console, differences: list[dict[str, Any]]) -> None:
    table = _table("against " + differences[0]["against"], "measured", "figure", "difference", "95 % interval", "p")
    for each in differences:
        p = "" if each["p_value"] is None else f"{each['p_value']:.3f}"
        interval = f"{each['low']:+.3f} to {each['high']:+.3f}"
        table.add_row(each["model"], each["measurement"], each["figure"], f"{each['difference']:+.3f}", interval, p)
    console.print(table)


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"
    return "" if value is None else str(value)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(first, no_wrap=True)
    for header in others:
        table.add_column(header, justify="left" if header in ("measured", "figure") else "right", no_wrap=True)
    return table


def _console() -> Console:
    """Standard output; in a file or a pipe, lines are as long as they are."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 1000
    return console
