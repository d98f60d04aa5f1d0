"""Where things stand for a project: its language, the models that serve it, and what to do next."""

from dataclasses import dataclass
from pathlib import Path

from assistant.catalog import load_catalog
from assistant.detection import detect
from assistant.languages import Language
from assistant.selection import base_called, newest_submodel
from assistant.settings import Settings
from assistant.store import Store


@dataclass(frozen=True, slots=True)
class Status:
    """Where things stand for a project.

    Attributes:
        project: the folder.
        language: what it is written in, None when there is no code to tell it by.
        reason: why that is said.
        base: the name of the base model in use.
        base_is_here: whether the base model has been fetched.
        submodel: the name of the sub-model that serves the project, None while there is none.
        next_step: what to do next: a sentence, with the command in it.
    """

    project: Path
    language: str | None
    reason: str
    base: str
    base_is_here: bool
    submodel: str | None
    next_step: str


def status_of(project: Path, settings: Settings) -> Status:
    """Where things stand for the project in the folder `project`.

    Raises:
        UsageError: there is no such folder.
        StoreError: the store cannot be read.
        CatalogError: the user's catalog does not parse.
    """
    detection = detect(project)
    catalog, store = load_catalog(settings.catalog), Store(settings.home)
    base_name = base_called(catalog, store, settings.base)
    base = store.base(base_name)
    language = detection.submodel_language
    submodel = newest_submodel(store, base, base_name, language) if language is not None else None
    return Status(
        project=project.resolve(),
        language=detection.language,
        reason=detection.reason,
        base=base_name,
        base_is_here=base is not None,
        submodel=submodel.name if submodel is not None else None,
        next_step=_next_step(base is not None, language, submodel is not None, is_published=bool(settings.published)),
    )


def _next_step(base_is_here: bool, language: Language | None, submodel_is_here: bool, *, is_published: bool) -> str:
    if submodel_is_here:
        return "Complete code with it: sned complete FILE:LINE:COL"
    if is_published and language is not None and not base_is_here:
        return f"Get the {language.label} sub-model, or the base model if none is published: sned fetch"
    if not base_is_here:
        return "Get the base model: sned fetch"
    if language is None:
        return "Complete code with the base model: sned complete FILE:LINE:COL"
    if is_published:
        return f"See whether a {language.label} sub-model is published: sned fetch; or make one: sned build"
    return f"Cut the base model down to {language.label}: sned build"
