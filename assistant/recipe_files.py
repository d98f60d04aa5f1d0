"""Recipes by name or from a file, and what a command line changes of them.

Recipes are TOML; those shipped lie in `assistant/recipes`. A field that a recipe leaves out has its default.
"""

import dataclasses
import importlib.resources
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from gguf.constants import GGMLQuantizationType
from pydantic import TypeAdapter, ValidationError

from assistant.errors import UsageError
from assistant.recipe import Recipe
from assistant.validation import readable
from export.zero_types import why_without_zero
from prune.patterns import parse_pattern

_ENDING = ".toml"

# Larger blocks lose nothing that could be measured of 8-bit values, and much of 4-bit ones (docs/figures.md).
_BLOCKS = {"q8_0": 32, "int8": 128, "int4": 32, "base": 32}
# What follows from a sparsity of 0: there is nothing to prune by, to train, or to store anew.
_UNPRUNED = {"reconstruction": "none", "training_tokens": 0, "tokens": 0, "values": "base", "block": 32}


def shipped_recipes() -> list[str]:
    """The names of the recipes that come with the program."""
    shipped = importlib.resources.files("assistant") / "recipes"
    return sorted(file.name.removesuffix(_ENDING) for file in shipped.iterdir() if file.name.endswith(_ENDING))


def recipe_called(name: str, changes: Mapping[str, Any]) -> Recipe:
    """The shipped recipe or recipe file of this name, with some fields changed.

    Args:
        name: one of `shipped_recipes`, or the path of a TOML file.
        changes: values by the name of their field, wherever in a recipe it is; None leaves the field as it is.

    Raises:
        UsageError: there is no such recipe, it does not parse, has an unknown field or a value of the wrong kind, or
            its fields contradict each other.
    """
    values = _read(name)
    for field, value in changes.items():
        if value is not None:
            _put(values, Recipe, field, value)
    _complete(values, changes)
    return _validated(values, name)


def _complete(values: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Fills in what follows from another field, where neither is said in the same place.

    An N:M pattern has its own sparsity, without any nothing is trained or stored anew, only distillation trains, values
    have blocks that suit them, and of the calibration set other kinds of text take no more than what is said of the
    project leaves.
    """
    place = changes if changes.get("pattern") is not None else values
    text = place.get("pattern")
    if isinstance(text, str) and place.get("sparsity") is None and (pattern := parse_pattern(text)) is not None:
        values["sparsity"] = pattern.sparsity
    place = changes if changes.get("sparsity") is not None else values
    if place.get("sparsity") == 0 and values["sparsity"] == 0:
        values |= {field: value for field, value in _UNPRUNED.items() if place.get(field) is None}
    place = changes if changes.get("reconstruction") is not None else values
    if place.get("reconstruction") in {"none", "least-squares"} and place.get("training_tokens") is None:
        values["training_tokens"] = 0
    place = changes if changes.get("values") is not None else values
    kind = place.get("values")
    if isinstance(kind, str) and kind in _BLOCKS and place.get("block") is None:
        values["block"] = _BLOCKS[kind]
    place = changes if changes.get("project_share") is not None else values
    left = 1.0 - float(share) if isinstance(share := place.get("project_share"), int | float) else 1.0
    usually = Recipe()
    for field in ("chat_share", "other_share"):
        if place.get(field) is None and isinstance(usual := values.get(field, getattr(usually, field)), int | float):
            values[field] = min(float(usual), max(left, 0.0))
        left -= float(kept) if isinstance(kept := values.get(field), int | float) else 0.0


def _read(name: str) -> dict[str, Any]:
    if name in shipped_recipes():
        text = (importlib.resources.files("assistant") / "recipes" / f"{name}{_ENDING}").read_text(encoding="utf-8")
    else:
        try:
            text = Path(name).expanduser().read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise UsageError(
                f"There is no recipe {name!r} ({reason}); "
                f"use {', '.join(shipped_recipes())}, or the path of a TOML file."
            ) from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The recipe {name} does not parse: {error}; mend it.") from error


def _put(values: dict[str, Any], kind: type[Any], field: str, value: object) -> bool:
    """Sets a field of a recipe's values, or of a part of a recipe; whether there is such a field."""
    hints = get_type_hints(kind)
    if field in hints:
        values[field] = value
        return True
    for name, part in hints.items():
        if dataclasses.is_dataclass(part) and isinstance(part, type):
            inner = values.setdefault(name, {})
            if isinstance(inner, dict) and _put(inner, part, field, value):
                return True
    return False


def _validated(values: dict[str, Any], name: str) -> Recipe:
    _refuse_unknown(values, Recipe, name)
    _refuse_without_zero(values.get("values"))
    try:
        # As JSON, since strict validation of Python values takes no mapping for a dataclass.
        return TypeAdapter(Recipe).validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"The recipe {name} has {first.get('input')!r} for {field}, which does not do: {readable(first['msg'])}."
        ) from error


def _refuse_without_zero(values: object) -> None:
    """Refuses types of llama.cpp's that make pruned matrices dense again, for that reason."""
    kind = GGMLQuantizationType.__members__.get(values.upper()) if isinstance(values, str) else None
    if kind is not None and (reason := why_without_zero(kind)) is not None:
        raise UsageError(f"Pruned matrices cannot be stored as {values}: {reason}; choose --values q8_0, int8 or int4.")


def _refuse_unknown(values: Mapping[str, Any], kind: type[Any], name: str) -> None:
    hints = {field.name: get_type_hints(kind)[field.name] for field in dataclasses.fields(kind)}
    for field, value in values.items():
        if field not in hints:
            raise UsageError(f"The recipe {name} has the unknown field {field!r}; the fields are {', '.join(hints)}.")
        if dataclasses.is_dataclass(hints[field]) and isinstance(value, Mapping):
            _refuse_unknown(value, hints[field], name)
