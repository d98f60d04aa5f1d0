"""Publishing into a folder: the model's file, then the index's signature, then the index, each renamed into place."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from assistant.digest import sha256_of
from assistant.durable import sync_directory, sync_file, write_bytes
from assistant.errors import PublicationError
from assistant.publishing.index import INDEX_FILE, Index, Publication, parse_index
from assistant.publishing.preparing import (
    Published,
    Wanted,
    already_there,
    grown,
    prepare,
    require_key,
    signature,
)
from assistant.publishing.signing import SIGNATURES, signature_file

_LOCK_FILE = ".sned-publishing.lock"


def publish_to_folder(wanted: Wanted, folder: Path) -> Published:
    """Adds a sub-model to what is published in `folder`, which is made if it is not there.

    Whoever reads the folder meanwhile, or after a kill, finds the index as it was or as it is then, and all files whole
    that it names.

    Raises:
        PublicationError: another sub-model has the name there, its index cannot be used, or it cannot be written.
        UsageError: its index is signed, and no key was given.
    """
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / _LOCK_FILE):
            data = _read(folder / INDEX_FILE)
            index = Index() if data is None else parse_index(data, str(folder))
            was_signed = data is not None and (folder / signature_file(data)).exists()
            require_key(signed=was_signed, key=wanted.key, place=str(folder))
            beside = folder / f".{wanted.name}.partial"
            beside.unlink(missing_ok=True)
            try:
                publication = prepare(wanted, beside)
                known = already_there(index, publication, str(folder))
                _put(beside, folder / publication.file, publication)
            finally:
                beside.unlink(missing_ok=True)
            if not known or data is None:
                data = grown(index, publication, str(folder))
            _sign(data, wanted, folder)
            write_bytes(folder / INDEX_FILE, data)
            return Published(publication, new=not known, signed=wanted.key is not None)


def _put(beside: Path, target: Path, publication: Publication) -> None:
    """Renames the file into place, unless it is there: what a kill left, or was damaged since, is replaced."""
    if target.exists() and sha256_of(target) == publication.manifest.sha256:
        return
    sync_file(beside)
    beside.replace(target)
    sync_directory(target.parent)


def _sign(data: bytes, wanted: Wanted, folder: Path) -> None:
    for name, signed in signature(data, wanted.key).items():
        (folder / SIGNATURES).mkdir(exist_ok=True)
        write_bytes(folder / name, signed)
        sync_directory(folder)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise PublicationError(f"No space is left at {folder}; free some, and run the command again.") from error
        reason = error.strerror or os.strerror(error.errno or errno.EIO)
        raise PublicationError(f"{folder} cannot be written: {reason}; choose another folder.") from error
