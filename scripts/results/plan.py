"""What docs/results.md tells: which models are measured, on what, and how tables show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from assistant.languages import Language

SMALL, LARGE = "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"


@dataclass(frozen=True)
class Dense:
    """A base model of the store, or what llama.cpp's quantiser makes of it."""

    base: str
    file_type: str | None = None


@dataclass(frozen=True)
class Pruned:
    """The sub-model that a shipped recipe gives from a base model, with some of its fields changed."""

    base: str
    language: Language
    recipe: str
    changes: Mapping[str, Any] = field(default_factory=dict)


Model = Dense | Pruned


@dataclass(frozen=True)
class Column:
    """A column of a table: a figure of a measurement, as `sned eval --json` calls both."""

    head: str
    measurement: str
    figure: str


@dataclass(frozen=True)
class Piece:
    """A table: one `sned eval` of several models, the first of which the others are compared with.

    Attributes:
        arguments: of `sned eval`; `{evals}` is the folder of the evaluation sets.
        models: by what the table calls them.
        columns: what the table shows.
    """

    arguments: tuple[str, ...]
    models: dict[str, Model]
    columns: tuple[Column, ...] = field(default=())


# What `balanced` and `best` were until version 4.
_AT_HALF = {"sparsity": 0.5, "vocabulary": "whole"}
_EARLIER: dict[str, Model] = {
    f"0.5B, Python, {recipe} at 50%": Pruned(SMALL, Language.PYTHON, recipe, _AT_HALF)
    for recipe in ("balanced", "best")
}


_DENSE: dict[str, Model] = {
    "0.5B, Q4_K_M": Dense(SMALL),
    **{f"0.5B, {file_type}": Dense(SMALL, file_type) for file_type in ("Q8_0", "Q5_K_M", "Q3_K_S")},
}


def _small(language: Language) -> dict[str, Model]:
    recipes = ("trimmed", "fast", "balanced", *(("best",) if language is Language.PYTHON else ()))
    return {
        **_DENSE,
        **{f"0.5B, {language.label}, {recipe}": Pruned(SMALL, language, recipe) for recipe in recipes},
        **(_EARLIER if language is Language.PYTHON else {}),
    }


# Of each kind one, where a row takes long.
_KINDS: dict[str, Model] = {
    "0.5B, Q4_K_M": Dense(SMALL),
    "0.5B, Q3_K_S": Dense(SMALL, "Q3_K_S"),
    **{f"0.5B, Python, {recipe}": Pruned(SMALL, Language.PYTHON, recipe) for recipe in ("trimmed", "fast", "balanced")},
}


def _with_others(language: Language) -> dict[str, Model]:
    """With the sub-models of the other languages."""
    return _small(language) | _FAST


_FAST: dict[str, Model] = {f"0.5B, {each.label}, fast": Pruned(SMALL, each, "fast") for each in Language}

_LARGE: dict[str, Model] = {
    "0.5B, Q4_K_M": Dense(SMALL),
    "1.5B, Q4_K_M": Dense(LARGE),
    "1.5B, Q4_0": Dense(LARGE, "Q4_0"),
    "1.5B, Q3_K_S": Dense(LARGE, "Q3_K_S"),
    # Training one takes more memory than a laptop has: 12 bytes a weight.
    "1.5B, Python, fast": Pruned(LARGE, Language.PYTHON, "fast"),
}


def _functions(language: Language, models: dict[str, Model], form: str = "completion") -> Piece:
    name = language.value
    return Piece(
        ("--tasks", f"{{evals}}/humaneval_x/{name}.jsonl", "--as", form),
        models,
        (Column(form, f"{name}, {form}", "pass@1"),),
    )


def _predictions(language: Language, models: dict[str, Model]) -> Piece:
    label = f"{language.value} found here"
    columns = tuple(Column(figure, label, figure) for figure in ("perplexity", "bits per byte"))
    return Piece(("--perplexity", "--language", language.value), models, columns)


@dataclass(frozen=True)
class Crossed:
    """A table of models by languages, of what other tables have.

    Attributes:
        tables: a language's table and its column, by the language's label.
        models: its rows.
        relative: as a multiple of the first model's.
    """

    tables: dict[str, tuple[str, Column]]
    models: tuple[str, ...]
    relative: bool


PIECES: dict[str, Piece] = {
    **{f"functions-{language.value}": _functions(language, _with_others(language)) for language in Language},
    "chats-python": _functions(Language.PYTHON, _KINDS, "chat"),
    "functions-larger": _functions(Language.PYTHON, _LARGE),
    **{f"predictions-{language.value}": _predictions(language, _with_others(language)) for language in Language},
    "predictions-larger": _predictions(Language.PYTHON, _LARGE),
    "infilling": Piece(
        ("--infilling", "{evals}/humaneval_infilling/single_line.jsonl", "--order", "server", "--limit", "200"),
        _KINDS,
        tuple(Column(figure, "single_line, server", figure) for figure in ("exact match", "edit similarity", "pass@1")),
    ),
    "cost": Piece(
        ("--cost",),
        _small(Language.PYTHON) | _LARGE,
        tuple(
            Column(head, "cost", figure)
            for head, figure in (
                ("load, s", "load s"),
                ("first suggestion, s", "first suggestion s"),
                ("prefill, tokens/s", "prefill tokens/s"),
                ("decode, tokens/s", "decode tokens/s"),
                ("peak, MB", "peak MB"),
            )
        ),
    ),
}


def _crossed(kind: str, column: int, *, relative: bool) -> Crossed:
    tables = {
        language.label: (f"{kind}-{language.value}", PIECES[f"{kind}-{language.value}"].columns[column])
        for language in Language
    }
    return Crossed(tables, ("0.5B, Q4_K_M", *_FAST), relative)


CROSSED: dict[str, Crossed] = {
    "languages-functions": _crossed("functions", 0, relative=False),
    "languages-predictions": _crossed("predictions", 0, relative=True),
}
