"""What the table of languages and sub-models shows."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.languages import Language

# Rows that are of no language.
DENSE, GENERAL = "dense", "general"


@dataclass(frozen=True, slots=True)
class MatrixTable:
    """A figure of each language by each model; None where it was not measured.

    Attributes:
        title: the figure.
        languages: what columns are of.
        rows: values by what the model was calibrated on.
    """

    title: str
    languages: tuple[Language, ...]
    rows: Mapping[str, Sequence[float | None]]

    def summary(self) -> dict[Language, dict[str, float | None]]:
        """For each language: the dense model, its own sub-model, the mean of the others', and the general one."""
        answer: dict[Language, dict[str, float | None]] = {}
        for column, language in enumerate(self.languages):
            values = {row: cells[column] for row, cells in self.rows.items()}
            others = [
                value
                for row, value in values.items()
                if row not in {DENSE, GENERAL, language.value} and value is not None
            ]
            answer[language] = {
                "dense": values.get(DENSE),
                "own": values.get(language.value),
                "others": statistics.fmean(others) if others else None,
                "general": values.get(GENERAL),
            }
        return answer


def row_label(row: str) -> str:
    """What a row is called: by the language that the model was calibrated on."""
    return {DENSE: "dense", GENERAL: "all four languages"}.get(row) or Language(row).label


def matrix_tables(answer: Mapping[str, Any]) -> list[MatrixTable]:
    """The tables of what `matrix.matrix` gave, one a figure."""
    models = {model["model"]: model["measurements"] for model in answer["models"]}
    rows: dict[str, str] = answer["matrix"]["rows"]
    tables = []
    for part in answer["matrix"]["parts"]:
        labels: dict[str, str] = part["labels"]
        languages = tuple(Language(language) for language in labels)
        values = {
            row: [models[name].get(label, {}).get(part["figure"]) for label in labels.values()]
            for row, name in rows.items()
        }
        tables.append(MatrixTable(part["title"], languages, values))
    return tables
