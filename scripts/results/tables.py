"""Tables of docs/results.md, in the place of those that are between their marks there."""

import re
from typing import Any

from plan import CROSSED, PIECES, Column, Crossed, Piece
from rows import Row, read_rows

from assistant.evaluation.statistics import wilson

_MARKED = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
# Figures that are shares of tasks; their interval and their number of tasks are shown.
_SHARES = ("pass@1", "exact match")
_COMPARED = ("pass@1", "exact match", "bits per byte")


def with_tables(text: str) -> str:
    """The document with all its tables written anew; the rest of it stays.

    Raises:
        ValueError: a table is missing, or there is one that is not planned.
    """
    found, planned = [match[2] for match in _MARKED.finditer(text)], [*PIECES, *CROSSED]
    if sorted(found) != sorted(planned):
        raise ValueError(f"the document has the tables {sorted(found)}, and the plan has {sorted(planned)}")

    def written(match: re.Match[str]) -> str:
        crossed = CROSSED.get(match[2])
        return f"{match[1]}{_table(match[2]) if crossed is None else _crossed_table(crossed)}{match[3]}"

    return _MARKED.sub(written, text)


def _table(name: str) -> str:
    piece, rows = PIECES[name], read_rows(name)
    first = next(iter(piece.models))
    heads = ["model", "MB", *(column.head for column in piece.columns)]
    compared = [column for column in piece.columns if column.figure in _COMPARED]
    heads += [f"{column.head}, difference" for column in compared]
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for model in piece.models:
        cells = _cells(piece, rows.get(model), compared, is_first=model == first)
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n" + "\n".join(lines) + "\n\n" + _circumstances(piece, rows) + "\n"


def _crossed_table(crossed: Crossed) -> str:
    lines = ["| model | " + " | ".join(crossed.tables) + " |", "| --- |" + " ---: |" * len(crossed.tables)]
    for model in crossed.models:
        cells = [_crossed_value(crossed, language, model) for language in crossed.tables]
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n" + "\n".join(lines) + "\n\n"


def _crossed_value(crossed: Crossed, language: str, model: str) -> str:
    table, column = crossed.tables[language]
    rows = read_rows(table)
    value, of = (
        rows.get(each, {}).get("measurements", {}).get(column.measurement, {}).get(column.figure)
        for each in (model, crossed.models[0])
    )
    if value is None or (crossed.relative and of is None):
        return "not measured yet"
    return f"{value / of if crossed.relative else value:.3f}"


def _cells(piece: Piece, row: Row | None, compared: list[Column], *, is_first: bool) -> list[str]:
    if row is None:
        return ["", "not measured yet", *[""] * (len(piece.columns) + len(compared) - 1)]
    size = f"{row['bytes'] / 1e6:,.0f}"
    if row.get("sparse_bytes", row["bytes"]) < row["bytes"]:
        size += f" as q8_0 (sparse {row['sparse_bytes'] / 1e6:,.0f})"
    cells = [size, *(_value(row, column) for column in piece.columns)]
    return cells + ["" if is_first else _difference(row, column) for column in compared]


def _value(row: Row, column: Column) -> str:
    summary: dict[str, Any] = row["measurements"].get(column.measurement, {})
    value = summary.get(column.figure)
    if value is None:
        return "not measured yet"
    if column.figure in _SHARES:
        tasks = summary["tasks"]
        right = round(value * tasks)
        low, high = wilson(right, tasks)
        return f"{value:.3f} ({right} of {tasks}; {low:.2f} to {high:.2f})"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def _difference(row: Row, column: Column) -> str:
    for each in row["differences"]:
        if (each["measurement"], each["figure"]) == (column.measurement, column.figure):
            p = "" if each["p_value"] is None else f", {_p(each['p_value'])}"
            return f"{each['difference']:+.3f} ({each['low']:+.3f} to {each['high']:+.3f}{p})"
    return ""


def _p(value: float) -> str:
    return f"p = {value:.3f}" if value >= 0.0005 else "p < 0.001"


def _circumstances(piece: Piece, rows: dict[str, Row]) -> str:
    """The command, and when, where and with what its rows were measured."""
    command = " ".join(["sned eval", "MODEL...", *piece.arguments]).replace("{evals}/", "")
    if not rows:
        return f"`{command}`: nothing was measured yet.\n"
    days = sorted({row["date"][:10] for row in rows.values()})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    where = {
        f"{row['machine']['processor']}, {row['machine']['cores']} cores, {row['machine']['memory GB']:g} GB"
        for row in rows.values()
    }
    kinds = {", ".join(f"{name} {version}" for name, version in row["versions"].items()) for row in rows.values()}
    return f"`{command}`: {when}; {'; or '.join(sorted(where))}; {'; or '.join(sorted(kinds))}.\n"
