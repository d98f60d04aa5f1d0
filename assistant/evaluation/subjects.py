"""The models that are measured, by what users call them."""

from collections.abc import Sequence

from assistant.digest import sha256_of
from assistant.errors import UsageError
from assistant.evaluation.measurement import Subject
from assistant.languages import Language
from assistant.selection import Selection, select_model
from assistant.settings import Settings
from assistant.store import Entry, Store, SubModelEntry


def find_subjects(settings: Settings, names: Sequence[str], language: Language | None) -> list[Subject]:
    """The models called so; without names the one that serves `language` here.

    Raises:
        UsageError, StoreError, CatalogError: as `select_model`; or one is named twice.
    """
    selections = [select_model(settings, language, name) for name in names] or [select_model(settings, language)]
    subjects = [_subject(settings, selection) for selection in selections]
    for index, subject in enumerate(subjects):
        for other in subjects[:index]:
            if subject.sha256 == other.sha256:
                raise UsageError(f"{subject.name} is the same model as {other.name}; name each once.")
    return subjects


def subject_of(entry: Entry) -> Subject:
    """An entry of a store, to be measured."""
    language = entry.manifest.language if isinstance(entry, SubModelEntry) else None
    selection = Selection(entry.path, entry.name, language)
    return Subject(selection, entry.manifest.sha256, entry.manifest.size)


def _subject(settings: Settings, selection: Selection) -> Subject:
    store = Store(settings.home)
    entries: list[Entry] = [*store.bases(), *store.submodels()]
    for entry in entries:
        if entry.path == selection.path:
            return Subject(selection, entry.manifest.sha256, entry.manifest.size)
    return Subject(selection, sha256_of(selection.path), selection.path.stat().st_size)
