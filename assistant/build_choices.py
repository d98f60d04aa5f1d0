"""What to build where the user does not say: the project's language, and the base model."""

from pathlib import Path

from assistant.catalog import FimTokens, load_catalog
from assistant.detection import detect
from assistant.errors import UsageError
from assistant.languages import Language, parse_language
from assistant.selection import base_called
from assistant.settings import Settings
from assistant.store import BaseEntry, Store


def language_to_build_for(project: Path, name: str | None) -> Language:
    """The language called `name`, or the one `project` is written in.

    Raises:
        UsageError: there is no project, or its language has no sub-models.
    """
    detection = detect(project)
    if name is not None:
        return parse_language(name)
    if detection.submodel_language is None:
        raise UsageError(f"{detection.reason} To build a sub-model all the same, name its language with --language.")
    return detection.submodel_language


def base_to_build_from(store: Store, settings: Settings, name: str | None) -> BaseEntry:
    """The base model called `name`, or the one the settings or the catalog give; it has to be in the store.

    Raises:
        UsageError: there is no such model, or it has not been fetched.
    """
    if name is not None and Path(name).is_dir():
        raise UsageError(
            f"{name} is a folder; take the model in it into the store first, with sned import {name}, and name that."
        )
    wanted = base_called(load_catalog(settings.catalog), store, name or settings.base)
    entry = store.base(wanted)
    if entry is None:
        raise UsageError(f"The base model {wanted} is not here yet; get it with: sned fetch {wanted}")
    return entry


def fim_tokens_of(base: BaseEntry, settings: Settings) -> FimTokens | None:
    """The FIM tokens that the catalog gives for a base model; None where it gives none."""
    known = load_catalog(settings.catalog).get(base.name)
    return known.fim if known is not None else None
