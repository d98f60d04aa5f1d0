"""`sned fetch` of a published sub-model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.cli.options import ProgressForm
from assistant.cli.output import print_json
from assistant.errors import FetchError, PublicationError, SignatureError, UsageError

if TYPE_CHECKING:
    from assistant.catalog import Catalog
    from assistant.cli.progress_lines import TransferLines
    from assistant.cli.transfer_display import TransferDisplay
    from assistant.fetch.submodel import Fetched, OpenIndex
    from assistant.languages import Language
    from assistant.publishing.choice import Need
    from assistant.publishing.index import Publication
    from assistant.publishing.places import Place
    from assistant.publishing.signing import PublicKey
    from assistant.settings import Settings
    from assistant.store import Store


class SubModelFetching:
    """What `sned fetch` does about published sub-models, with the settings, catalog and store of one run."""

    def __init__(self, settings: "Settings", catalog: "Catalog", store: "Store", progress: ProgressForm) -> None:
        """`progress` says how progress is told."""
        self._settings = settings
        self._catalog = catalog
        self._store = store
        self._progress = progress

    def from_place(self, place: "Place", name: str | None, language: "Language | None") -> "Fetched":
        """The sub-model called `name` in a place, or the one there that serves `language`.

        Raises:
            UsageError: it is not clear which is meant.
            FetchError: it cannot be had.
            PublicationError: the index cannot be used.
        """
        with _display(self._progress, "published sub-models") as display:
            display.trying(place.description)
            opened = _opened(place, self._keys())
        return self._take(opened, self._chosen(opened, name, language))

    def from_settings(self, language: "Language") -> "Fetched | None":
        """The sub-model for a project in `language`, from the first place of the settings that has one, or else the one
        that was fetched before; None where there is none.

        Raises:
            UsageError: the setting does not name places.
            SignatureError: a place has an index that is not signed as it has to be.
            FetchError: the sub-model cannot be had.
        """
        from assistant.fetch.submodel import Fetched
        from assistant.publishing.places import parse_place

        places = [parse_place(text)[0] for text in self._settings.published]
        keys = self._keys()
        need = self._need(language)
        for place in places:
            with _display(self._progress, f"{language.label} sub-model") as display:
                display.trying(place.description)
                try:
                    opened = _opened(place, keys)
                except SignatureError:
                    raise
                except (FetchError, PublicationError) as error:
                    display.failed(place.description, str(error))
                    continue
                best = need.best(opened.index)
                if best is None:
                    display.failed(place.description, f"none for {need.base}")
                    continue
            return self._take(opened, best)
        fetched = need.fetched(self._store)
        return None if fetched is None else Fetched(fetched, new=False)

    def _take(self, opened: "OpenIndex", publication: "Publication") -> "Fetched":
        from assistant.fetch.submodel import fetch_submodel

        with _display(self._progress, publication.name) as display:
            return fetch_submodel(opened, publication, self._store, self._catalog, display)

    def _chosen(self, opened: "OpenIndex", name: str | None, language: "Language | None") -> "Publication":
        index, place = opened.index, opened.place.description
        if name is not None:
            if (found := index.get(name)) is not None:
                return found
            if (reason := dict(index.unusable).get(name)) is not None:
                raise PublicationError(f"{name} of {place} cannot be used by this sned ({reason}); update sned.")
            raise UsageError(f"{place} has no {name!r}; {_listed(index.publications)}.")
        if language is not None and (best := self._need(language).best(index)) is not None:
            return best
        if len(index.publications) == 1 and language is None:
            return index.publications[0]
        kind = f"for {language.label} and {self._need(language).base}" if language is not None else "chosen by itself"
        raise UsageError(f"{place} has none {kind}; name one: {_listed(index.publications)}.")

    def _need(self, language: "Language") -> "Need":
        from assistant.publishing.choice import Need

        return Need.of(self._settings, self._catalog, self._store, language)

    def _keys(self) -> "tuple[PublicKey, ...]":
        from assistant.publishing.signing import parse_public_key

        return tuple(parse_public_key(text) for text in self._settings.published_keys)


def print_fetched(fetched: "Fetched", *, as_json: bool) -> None:
    """Says which sub-model is here, and where from."""
    entry, manifest = fetched.entry, fetched.entry.manifest
    provenance = manifest.provenance
    if as_json:
        print_json(
            {
                "name": entry.name,
                "path": str(entry.path),
                "bytes": manifest.size,
                "sha256": manifest.sha256,
                "source": None if provenance is None else provenance.source,
                "fetched": fetched.new,
                "language": manifest.language.value,
                "base": manifest.base.name,
                "licence": manifest.licence,
                "signed": provenance is not None and provenance.key is not None,
            }
        )
    elif fetched.new and provenance is not None:
        print(f"{entry.name} is here, from {provenance.source}: {entry.path}")
    else:
        print(f"{entry.name} is here already: {entry.path}")


def language_of(project: Path, name: str | None) -> "Language | None":
    """The language called `name`, else the one that `project` is written in, if sub-models are made for it."""
    from assistant.detection import detect
    from assistant.languages import parse_language

    return parse_language(name) if name is not None else detect(project).submodel_language


def _opened(place: "Place", keys: "tuple[PublicKey, ...]") -> "OpenIndex":
    from assistant.fetch.submodel import open_index
    from assistant.fetch.transfer import SourceError

    try:
        return open_index(place, keys)
    except SourceError as error:
        raise FetchError(f"{place.description} has nothing to fetch: {error}; is the address right?") from error


def _listed(publications: "Sequence[Publication]") -> str:
    if not publications:
        return "it has nothing that this sned can use"
    return "it has " + ", ".join(each.name for each in publications)


def _display(progress: ProgressForm, name: str) -> "TransferLines | TransferDisplay":
    from assistant.cli.progress_lines import TransferLines
    from assistant.cli.transfer_display import TransferDisplay

    return TransferLines(name) if progress is ProgressForm.JSON else TransferDisplay(name)
