"""Which model serves a file or project: a named one, the newest sub-model for its language, or the base model."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from assistant.catalog import Catalog, FimTokens, load_catalog
from assistant.errors import UsageError
from assistant.languages import Language
from assistant.settings import Settings
from assistant.store import BaseEntry, Entry, Store, SubModelEntry

if TYPE_CHECKING:
    from assistant.engine.protocol import Engine


@dataclass(frozen=True, slots=True)
class Selection:
    """A model to open.

    Attributes:
        path: the model file.
        name: what to call it.
        language: the language it was pruned for; None for a base model or a file of unknown making.
        fim: FIM tokens the catalog gives for it; None when it gives none.
        notice: one sentence for the user when a better model could be had, else None.
    """

    path: Path
    name: str
    language: Language | None = None
    fim: FimTokens | None = None
    notice: str | None = None


def language_of_file(path: Path) -> Language | None:
    """The sub-model language a file's name says, or None."""
    suffix = path.suffix.lower()
    return next((language for language in Language if suffix in language.suffixes), None)


def select_model(settings: Settings, language: Language | None, name: str | None = None) -> Selection:
    """The model called `name`, or the best one here for `language`.

    `name` may be an entry of the store, an alias of the catalog, or the path of a `.gguf` file.

    Raises:
        UsageError: there is no such model, or none at all.
        StoreError: the named entry is broken, or the store cannot be read.
        CatalogError: the user's catalog does not parse.
    """
    catalog, store = load_catalog(settings.catalog), Store(settings.home)
    if name is not None:
        return _named(catalog, store, name)
    base_name = base_called(catalog, store, settings.base)
    base = store.base(base_name)
    if language is not None:
        made = newest_submodel(store, base, base_name, language)
        if made is not None:
            return _of_entry(catalog, made)
    if base is None:
        raise UsageError(f"The base model {base_name} is not in the store; sned fetch {base_name} gets it.")
    return _of_entry(catalog, base, _notice(base_name, language, is_published=bool(settings.published)))


def base_called(catalog: Catalog, store: Store, name: str | None) -> str:
    """The whole name of a base model of the catalog or the store; the catalog's default for None.

    Raises:
        UsageError: neither knows it.
    """
    if name is None:
        return catalog.default.name
    known = catalog.get(name)
    if known is None and store.base(name) is not None:
        return name
    return catalog.find(name).name


def open_model(
    selection: Selection, settings: Settings, *, gpu_layers: str | None = None, check_memory: bool = True
) -> "Engine":
    """The selected model, loaded; `gpu_layers` (`auto` or a number) goes before the setting.

    Raises:
        EngineError: it cannot be loaded, or does not fit in memory (unless `check_memory` is false).
    """
    from assistant.engine.llama import LlamaEngine, LlamaOptions

    options = LlamaOptions(
        context=settings.context,
        threads=settings.threads,
        gpu_layers=_layers(gpu_layers) if gpu_layers is not None else settings.gpu_layers,
        check_memory=check_memory,
        sparse_backend=settings.sparse_backend,
    )
    return LlamaEngine(selection.path, options, selection.name)


def _layers(text: str) -> int | Literal["auto"]:
    return "auto" if text == "auto" else int(text)


def _named(catalog: Catalog, store: Store, name: str) -> Selection:
    path = Path(name).expanduser()
    if path.suffix.lower() == ".gguf":
        if not path.is_file():
            raise UsageError(
                f"There is no model file {name}; give the path of a GGUF file, or a name of sned models list."
            )
        return Selection(path, path.stem)
    known = catalog.get(name)
    if known is None:
        return _of_entry(catalog, store.find(name))
    base = store.base(known.name)
    if base is None:
        raise UsageError(f"The base model {known.name} is not in the store; sned fetch {known.name} gets it.")
    return _of_entry(catalog, base)


def newest_submodel(store: Store, base: BaseEntry | None, base_name: str, language: Language) -> SubModelEntry | None:
    """The sub-model for `language` made last from the base model of that name; from its very bytes if they are here."""
    made = [
        entry
        for entry in store.submodels()
        if entry.manifest.language == language
        and entry.manifest.base.name == base_name
        and (base is None or entry.manifest.base.sha256 == base.manifest.sha256)
    ]
    return max(made, key=lambda entry: entry.path.stat().st_mtime_ns, default=None)


def _of_entry(catalog: Catalog, entry: Entry, notice: str | None = None) -> Selection:
    if isinstance(entry, SubModelEntry):
        known = catalog.get(entry.manifest.base.name)
        language: Language | None = entry.manifest.language
    else:
        known, language = catalog.get(entry.name), None
    return Selection(entry.path, entry.name, language, known.fim if known else None, notice)


def _notice(base_name: str, language: Language | None, *, is_published: bool) -> str:
    if language is None:
        return f"no sub-model is made for this kind of file; the base model {base_name} completes it."
    how = "sned fetch looks for a published one, and sned build" if is_published else "sned build"
    return f"no sub-model for {language.label} yet, so the base model {base_name} completes; {how} makes one."
