"""What was measured, kept in the repository: one JSON file a table, one row a model, from `sned eval --json`."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from plan import PIECES, Piece

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "measured"

Row = dict[str, Any]


def read_rows(piece: str) -> dict[str, Row]:
    """The rows of a table by model; empty if nothing was measured."""
    path = FOLDER / f"{piece}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def add_rows(piece: str, rows: dict[str, Row]) -> None:
    """Keeps rows besides those that there are, in the order of the plan.

    What is as it was keeps its date, and what was measured of the same file before is not lost.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    old = read_rows(piece)
    merged = old | {name: _merged(row, old.get(name)) for name, row in rows.items()}
    ordered = {name: merged[name] for name in PIECES[piece].models if name in merged}
    text = json.dumps(ordered, indent=1, ensure_ascii=False, sort_keys=False)
    (FOLDER / f"{piece}.json").write_text(text + "\n", encoding="utf-8")


def sparse_bytes(name: str) -> int:
    """Bytes of a plain pruned model as a sparse GGUF with the same weights."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["sned", "export", name, f"{folder}/sparse.gguf", "--to", "sparse", "--json"]
        answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return int(answer["bytes"])


def _merged(row: Row, old: Row | None) -> Row:
    if old is None or old["sha256"] != row["sha256"]:
        return row
    both = row | {"measurements": old["measurements"] | row["measurements"]}
    told = {_key(each): each for each in (*old["differences"], *row["differences"])}
    both["differences"] = list(told.values())
    same = all(both[key] == old[key] for key in ("measurements", "differences"))
    return old if same else both


def _key(difference: dict[str, Any]) -> tuple[str, str]:
    return difference["measurement"], difference["figure"]


def measured(piece: Piece, names: dict[str, str], evals: str, *, run: bool) -> tuple[dict[str, Row], dict[str, int]]:
    """Rows of the models that something was measured of, and how many results there are not yet.

    Args:
        names: what `sned eval` is told, by model; the table's first model has to be among them.
        evals: the folder of the evaluation sets.
        run: measure what is missing; what was measured before is told otherwise.
    """
    arguments = [argument.format(evals=evals) for argument in piece.arguments]
    command = ["sned", "eval", *names.values(), *arguments, "--json", *(() if run else ("--measured",))]
    answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    about = {key: answer[key] for key in ("date", "machine", "versions")}
    rows, missing = {}, {}
    for name, model in zip(names, answer["models"], strict=True):
        if left := model.pop("missing"):
            missing[name] = sum(left.values())
        if model["measurements"]:
            differences = [each for each in answer["differences"] if each["model"] == model["model"]]
            rows[name] = about | model | {"differences": differences}
    return rows, missing
