"""Fetching a base model into the store."""

from collections.abc import Sequence

from assistant.catalog import CatalogModel, Source
from assistant.errors import FetchError, StoreError
from assistant.fetch.sources import download
from assistant.fetch.transfer import Expected, Listener, Silent, SourceError
from assistant.manifest import BaseManifest
from assistant.store import BaseEntry, Installation, Store
from assistant.store_entries import MODEL_FILE


def fetch_base(
    model: CatalogModel,
    store: Store,
    listener: Listener | None = None,
    sources: Sequence[Source] | None = None,
    sha256: str | None = None,
) -> BaseEntry:
    """The base model's entry in the store, fetched if it is not there.

    Args:
        model: what is wanted.
        store: where it goes.
        listener: who is told how it goes.
        sources: where to look, in order, instead of the catalog's sources.
        sha256: what the file must have, instead of the catalog's; its size may then be any.

    Raises:
        FetchError: no source could deliver it, or there is no space for it.
        StoreError: the store cannot be written, or holds another file under this name.
    """
    listener = listener or Silent()
    if sha256 in (None, model.sha256):
        # Without a digest the catalog's size is approximate.
        expected = Expected(model.size if model.sha256 is not None else None, model.sha256)
    else:
        expected = Expected(None, sha256)
    if (entry := store.base(model.name)) is not None:
        return _same(entry, expected)
    with store.installing("bases", model.name, resumable=True, waiting=listener.waiting) as installation:
        if installation.existing is not None:
            assert isinstance(installation.existing, BaseEntry)
            return _same(installation.existing, expected)
        return _fetch(model, expected, installation, listener, sources or model.sources)


def _fetch(
    model: CatalogModel, expected: Expected, installation: Installation, listener: Listener, sources: Sequence[Source]
) -> BaseEntry:
    failures: list[tuple[Source, SourceError]] = []
    for source in sources:
        listener.trying(source.description)
        try:
            delivered = download(source, installation.directory, expected, listener)
        except SourceError as error:
            listener.failed(source.description, str(error))
            failures.append((source, error))
            continue
        delivered.path.replace(installation.directory / MODEL_FILE)
        manifest = BaseManifest(
            name=model.name,
            sha256=delivered.sha256,
            size=delivered.size,
            licence=model.licence,
            source=source.description,
        )
        entry = installation.commit(manifest)
        assert isinstance(entry, BaseEntry)
        return entry
    raise _no_source(model, failures)


def _same(entry: BaseEntry, expected: Expected) -> BaseEntry:
    if expected.sha256 is not None and expected.sha256 != entry.manifest.sha256:
        raise StoreError(
            f"The store's {entry.name} has SHA-256 {entry.manifest.sha256[:12]}… "
            f"where {expected.sha256[:12]}… is wanted; sned models remove {entry.name} first."
        )
    return entry


def _no_source(model: CatalogModel, failures: Sequence[tuple[Source, SourceError]]) -> FetchError:
    told = "; ".join(f"{source.description}: {error}" for source, error in failures)
    if all(error.unreachable for _, error in failures):
        return FetchError(
            f"{model.name} cannot be fetched without network ({told}); connect, or bring the file from elsewhere "
            f"and run sned fetch {model.name} --from FILE."
        )
    return FetchError(
        f"No source has {model.name} ({told}); try again later, or bring the file from elsewhere and run "
        f"sned fetch {model.name} --from FILE."
    )
