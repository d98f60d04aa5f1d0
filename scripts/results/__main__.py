"""Writes the tables of docs/results.md from what was measured, and measures what is missing if asked to.

    python scripts/results                                      # tables from docs/measured, nothing else
    python scripts/results --collect --evals FOLDER             # first takes in what this store's journals have
    python scripts/results --measure --evals FOLDER [TABLE...]  # first measures what is missing: hours
    python scripts/results --list                               # tables, models, and what of them is measured

FOLDER has `humaneval_x/LANGUAGE.jsonl` and `humaneval_infilling/single_line.jsonl`. Measuring goes model by model, and
on where it was interrupted; models that are not there are made. A model that was measured by `sned eval` with the same
arguments is taken in as it is. `--only MODEL` measures one row; `--use MODEL=NAME` takes a file or name for a row.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from models import NotHereError, is_sparse, make, named
from plan import PIECES, Piece, Pruned
from rows import Row, add_rows, measured, read_rows, sparse_bytes
from tables import with_tables

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "results.md"


def main() -> None:
    """Measures or collects what is asked for, then writes the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", choices=[[], *PIECES], default=[])
    parser.add_argument("--evals", metavar="FOLDER")
    parser.add_argument("--only", action="append", metavar="MODEL", help="such as '0.5B, Q8_0'; may be repeated")
    parser.add_argument("--use", action="append", metavar="MODEL=NAME", default=[], help="a file or name for a row")
    doing = parser.add_mutually_exclusive_group()
    doing.add_argument("--collect", action="store_true")
    doing.add_argument("--measure", action="store_true")
    doing.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if (options.collect or options.measure) and options.evals is None:
        parser.error("--evals FOLDER is needed to measure or collect")
    given = dict(each.split("=", 1) for each in options.use)
    for table in options.tables or PIECES:
        if options.list:
            _list(table)
        elif options.measure or options.collect:
            try:
                _take_in(table, options, given)
            except subprocess.CalledProcessError:  # it has said why
                print(f"{table}: goes no further", file=sys.stderr)
    if not options.list:
        DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")


def _take_in(table: str, options: argparse.Namespace, given: dict[str, str]) -> None:
    piece = PIECES[table]
    names: dict[str, str] = {}
    for label, model in piece.models.items():
        try:
            try:
                names[label] = named(model, given.get(label))
            except NotHereError:
                if not options.measure or (options.only and label not in options.only):
                    raise
                make(model)
                names[label] = named(model)
        except NotHereError as reason:
            print(f"{table}: {label}: {reason}", file=sys.stderr)
    first = next(iter(piece.models))
    if first not in names:
        return
    if options.measure:
        for label, name in names.items():
            if not options.only or label in options.only:
                print(f"{table}: {label}", file=sys.stderr)
                measured(piece, {label: name}, options.evals, run=True)
    rows, missing = measured(piece, names, options.evals, run=False)
    for label, count in missing.items():
        print(f"{table}: {label}: {count} results to go", file=sys.stderr)
    if rows:
        _add_sparse_bytes(piece, rows, names)
        add_rows(table, rows)
        DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")


def _add_sparse_bytes(piece: Piece, rows: dict[str, Row], names: dict[str, str]) -> None:
    """What plain pruned models would take where zeros take a bit, unless another table has measured it."""
    known = {row["sha256"]: row.get("sparse_bytes") for table in PIECES for row in read_rows(table).values()}
    for label, row in rows.items():
        if isinstance(piece.models[label], Pruned) and not is_sparse(names[label]):
            row["sparse_bytes"] = known.get(row["sha256"]) or sparse_bytes(names[label])


def _list(table: str) -> None:
    rows = read_rows(table)
    for label in PIECES[table].models:
        row = rows.get(label)
        print(f"{table}\t{label}\t{'not measured' if row is None else row['date'][:10] + ' ' + row['model']}")


if __name__ == "__main__":
    main()
