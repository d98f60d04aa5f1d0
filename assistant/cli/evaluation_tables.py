"""What `sned eval` says, as tables."""

from typing import Any

from rich.console import Console
from rich.table import Table

from assistant.evaluation.matrix_table import matrix_tables, row_label

# Figures that are counts, or say what was done, rather than how well.
_PLAIN = ("tasks", "samples", "tokens", "seconds", "outcomes", "spread")


def print_report(answer: dict[str, Any]) -> None:
    """A table of figures for each measurement, and one of the differences from the first model."""
    console = _console()
    labels = list(
        dict.fromkeys(label for model in answer["models"] for label in (*model["measurements"], *model["missing"]))
    )
    for number, label in enumerate(labels):
        if number:
            console.print()
        _print_figures(console, label, answer["models"])
    if answer["differences"]:
        console.print()
        _print_differences(console, answer["differences"])


def print_matrix(answer: dict[str, Any]) -> None:
    """For each figure, languages by what models were calibrated on, and what comes of it for each language."""
    console = _console()
    for number, table in enumerate(matrix_tables(answer)):
        if number:
            console.print()
        full = _table(table.title, *(language.label for language in table.languages))
        for row, values in table.rows.items():
            shown = [
                f"[{_figure(value)}]" if language.value == row and value is not None else _figure(value)
                for language, value in zip(table.languages, values, strict=True)
            ]
            full.add_row(row_label(row), *shown)
        console.print(full)
        console.print()
        short = _table(table.title, "dense", "own", "others' mean", "all four")
        for language, each in table.summary().items():
            short.add_row(language.label, *(_figure(each[name]) for name in ("dense", "own", "others", "general")))
        console.print(short)
    console.print("\nRows are models by what they were calibrated on; in brackets, a language's own.")


def print_candidates(answer: dict[str, Any]) -> None:
    """What `sned tune` looked at: figures, and why each was dropped."""
    table = _table("candidate", "MB", "perplexity", "pass@1", "first suggestion s", "quality", "")
    chosen = None if answer["recommended"] is None else answer["recommended"]["candidate"]
    # What was looked at longest comes first.
    stages = [
        (each["candidate"] != chosen, each["dropped"] is not None, each["perplexity_ratio"] is None, number)
        for number, each in enumerate(answer["candidates"])
    ]
    for *_, number in sorted(stages):
        each = answer["candidates"][number]
        names = ("perplexity_ratio", "pass_at_1_share", "first_suggestion_s", "quality")
        why = "recommended" if each["candidate"] == chosen else each["dropped"] or "within the limits"
        table.add_row(each["candidate"], f"{each['bytes'] / 1e6:,.0f}", *(_figure(each[name]) for name in names), why)
    console = _console()
    console.print(table)
    console.print(f"\nShares and multiples are of {answer['against']} as it is.")


def _print_figures(console: Console, label: str, models: list[dict[str, Any]]) -> None:
    figures = [model["measurements"].get(label, {}) for model in models]
    names = list(dict.fromkeys(name for each in figures for name in each if name not in _PLAIN))
    table = _table(label, "MB", *names, "tasks")
    for model, each in zip(models, figures, strict=True):
        values = [_figure(each.get(name)) for name in names]
        left = model["missing"].get(label)
        tasks = str(each.get("tasks", "")) if left is None else f"{left} to go"
        table.add_row(model["model"], f"{model['bytes'] / 1e6:,.0f}", *values, tasks)
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
        table.add_column(header, justify="left" if header in ("measured", "figure", "") else "right", no_wrap=True)
    return table


def _console() -> Console:
    """Standard output; in a file or a pipe, lines are as long as they are."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 1000
    return console
