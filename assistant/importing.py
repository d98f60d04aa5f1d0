"""Model files that others made, taken into the store."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assistant.catalog import Catalog
from assistant.digest import sha256_of
from assistant.engine.memory import read_shape
from assistant.engine.tokenizer import open_tokenizer
from assistant.errors import EngineError, StoreError, UsageError
from assistant.manifest import MODEL_NAME, BaseManifest
from assistant.staging import out_of_space
from assistant.store import BaseEntry, Store
from export.sparse.reader import SparseFile
from prune.errors import CheckpointError
from prune.gguf_file import GGUFFile

_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Imported:
    """An entry of the store, and whether it is `new` or was there with the same bytes."""

    entry: BaseEntry
    new: bool


def import_model(source: Path, store: Store, catalog: Catalog, name: str | None, licence: str | None) -> Imported:
    """Copies a GGUF file into the store, as a base model that is chosen by its name; a folder is turned into one.

    Args:
        source: the file, plain or sparse, or a Hugging Face folder.
        store: where it goes.
        catalog: whose names are not to be had.
        name: what to call it; the file's name in lower case by default.
        licence: the model's; what the file says by default.

    Raises:
        UsageError: the name cannot be had, or there is no such file.
        CheckpointError: the folder holds no model that can be turned into GGUF.
        EngineError: the file is no usable language model.
        StoreError: another model has the name, or the store cannot be written.
    """
    if source.is_dir():
        return _import_folder(
            source, store, _free_name(name or source.resolve().name.lower(), source, catalog), licence
        )
    if not source.is_file():
        raise UsageError(f"There is no model {source}; give the path of a GGUF file or a folder of safetensors.")
    name = _free_name(name or source.stem.lower(), source, catalog)
    check_usable(source)
    digest = sha256_of(source)
    with store.installing("bases", name) as installation:
        if isinstance(there := installation.existing, BaseEntry):
            if there.manifest.sha256 != digest:
                raise StoreError(
                    f"Another model is called {name}; choose another --name, or sned models remove {name}."
                )
            return Imported(there, new=False)
        path = installation.directory / "model.gguf"
        with _writing(f"{source} cannot be copied to {path.parent}"):
            shutil.copyfile(source, path)
        if sha256_of(path) != digest:
            raise StoreError(f"{source} changed while it was copied; import it again once it is whole.")
        manifest = BaseManifest(
            name=name,
            sha256=digest,
            size=path.stat().st_size,
            licence=licence or _licence_of(source),
            source=f"the file {source.name}",
        )
        entry = installation.commit(manifest)
        assert isinstance(entry, BaseEntry)
        return Imported(entry, new=True)


def _import_folder(source: Path, store: Store, name: str, licence: str | None) -> Imported:
    from export.hugging_face.reading import write_gguf

    with store.installing("bases", name) as installation:
        path = installation.directory / "model.gguf"
        there = installation.existing
        if there is None:
            with _writing(f"{source} cannot be read, or {path.parent} not written"):
                write_gguf(source, path)
            check_usable(path)
            manifest = BaseManifest(
                name=name,
                sha256=sha256_of(path),
                size=path.stat().st_size,
                licence=licence or _UNKNOWN,
                source=f"the folder {source.resolve().name}",
            )
            there = installation.commit(manifest)
            assert isinstance(there, BaseEntry)
            return Imported(there, new=True)
    raise StoreError(f"A model is called {name} already; choose another --name, or sned models remove {name}.")


@contextmanager
def _writing(what: str) -> Iterator[None]:
    """Errors of files as what cannot be done, which `what` says; but for a full disk, of which the store says more."""
    try:
        yield
    except OSError as error:
        if out_of_space(error):
            raise
        raise StoreError(f"{what}: {error.strerror or error}; choose another folder with SNED_HOME.") from error


def _free_name(name: str, source: Path, catalog: Catalog) -> str:
    if not MODEL_NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a model; choose one of lower-case letters, digits, dots, hyphens and underscores "
            "with --name."
        )
    if (known := catalog.get(name)) is not None:
        raise UsageError(
            f"{name} is the catalog's {known.name}; choose another --name, or take the file for that one: "
            f"sned fetch {known.name} --from {source}."
        )
    return name


def check_usable(source: Path) -> None:
    """Reads what can be wrong with a file of others: the header, packed matrices, llama.cpp's vocabulary.

    Raises:
        EngineError: it is no usable language model.
    """
    if read_shape(source).sparse:
        try:
            with SparseFile(source) as file:
                file.check()
        except CheckpointError as error:
            raise EngineError(str(error)) from error
    with open_tokenizer(source):
        pass


def _licence_of(source: Path) -> str:
    with GGUFFile(source) as file:
        licence = file.value("general.license", _UNKNOWN)
    return licence if isinstance(licence, str) and licence.strip() else _UNKNOWN
