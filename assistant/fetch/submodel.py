"""Fetching a published sub-model into the store. All that comes is checked as if a stranger had sent it."""

import hashlib
from dataclasses import dataclass
from urllib.parse import quote

from assistant.catalog import Catalog, FileSource, HttpSource, HuggingFaceSource, Source
from assistant.errors import EngineError, FetchError, SignatureError, StoreError
from assistant.fetch.document import read_document
from assistant.fetch.sources import download
from assistant.fetch.transfer import Delivered, Expected, Listener, Silent, SourceError
from assistant.importing import check_usable
from assistant.manifest import Provenance
from assistant.publishing.index import INDEX_BYTES, INDEX_FILE, Index, Publication, parse_index
from assistant.publishing.places import FolderPlace, HubPlace, Place, WebPlace
from assistant.publishing.signing import SIGNATURE_BYTES, PublicKey, signature_file, verify
from assistant.store import Store, SubModelEntry
from assistant.store_entries import MODEL_FILE


@dataclass(frozen=True, slots=True)
class OpenIndex:
    """An index that was read and, where that is asked for, whose signature was verified.

    Attributes:
        place: where it was read.
        index: what it says.
        sha256: of its bytes.
        key: the public key that signed it; None where no signature was asked for.
    """

    place: Place
    index: Index
    sha256: str
    key: PublicKey | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A sub-model of the store, and whether it had to be fetched (`new`) or was there."""

    entry: SubModelEntry
    new: bool


def open_index(place: Place, keys: tuple[PublicKey, ...]) -> OpenIndex:
    """The index of what is published in a place; signed by one of `keys`, if there are any.

    Raises:
        SourceError: it cannot be had.
        SignatureError: it is not signed by them.
        PublicationError: it cannot be used.
    """
    data = read_document(place, INDEX_FILE, INDEX_BYTES)
    if data is None:
        raise SourceError(f"there is no {INDEX_FILE}")
    key = None
    if keys:
        signature = read_document(place, signature_file(data), SIGNATURE_BYTES)
        if signature is None:
            raise SignatureError(
                f"The index of {place.description} is not signed, and published_keys asks for that; "
                "nothing was taken from it."
            )
        key = verify(data, signature, keys, place.description)
    return OpenIndex(place, parse_index(data, place.description), hashlib.sha256(data).hexdigest(), key)


def fetch_submodel(
    opened: OpenIndex, publication: Publication, store: Store, catalog: Catalog, listener: Listener | None = None
) -> Fetched:
    """The sub-model in the store, fetched if it is not there.

    Args:
        opened: the index that has it.
        publication: what is wanted of it.
        store: where it goes.
        catalog: whose names are not to be had.
        listener: who is told how it goes.

    Raises:
        FetchError: it cannot be had, is not what the index says, or there is no space for it.
        StoreError: the store cannot be written, or holds another model of this name.
    """
    listener = listener or Silent()
    name, manifest = publication.name, publication.manifest
    if catalog.get(name) is not None or store.has_base(name):
        raise FetchError(
            f"{opened.place.description} has a sub-model called {name}, which is a base model's name here."
        )
    with store.installing("submodels", name, resumable=True, waiting=listener.waiting) as installation:
        if isinstance(there := installation.existing, SubModelEntry):
            if there.manifest.sha256 != manifest.sha256:
                raise StoreError(
                    f"The store's {name} is not the one that {opened.place.description} has; "
                    f"sned models remove {name} first."
                )
            return Fetched(there, new=False)
        source = _source(opened.place, publication)
        listener.trying(source.description)
        try:
            delivered = download(source, installation.directory, Expected(manifest.size, manifest.sha256), listener)
        except SourceError as error:
            raise _refused(opened, name, error) from error
        _check(delivered, opened, name)
        delivered.path.replace(installation.directory / MODEL_FILE)
        key = None if opened.key is None else opened.key.text
        provenance = Provenance(source=source.description, index_sha256=opened.sha256, key=key)
        entry = installation.commit(manifest.model_copy(update={"provenance": provenance}))
        assert isinstance(entry, SubModelEntry)
        return Fetched(entry, new=True)


def _source(place: Place, publication: Publication) -> Source:
    match place:
        case HubPlace():
            return HuggingFaceSource(repo=place.repo, file=publication.file)
        case WebPlace():
            return HttpSource(url=f"{place.url}/{quote(publication.file)}")
        case FolderPlace():
            return FileSource(path=place.path / publication.file, link=False)


def _check(delivered: Delivered, opened: OpenIndex, name: str) -> None:
    try:
        check_usable(delivered.path)
    except EngineError as error:
        delivered.path.unlink()
        raise FetchError(
            f"{opened.place.description} has a {name} that cannot be used ({error}); tell whoever publishes there."
        ) from error


def _refused(opened: OpenIndex, name: str, error: SourceError) -> FetchError:
    if error.unreachable:
        return FetchError(f"{opened.place.description} could not be reached for {name}: {error}; try again later.")
    return FetchError(
        f"{name} cannot be fetched from {opened.place.description}: {error}; "
        "try again later, or tell whoever publishes there."
    )
