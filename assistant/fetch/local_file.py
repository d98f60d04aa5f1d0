"""Source: a file of this machine."""

import os
import stat
from pathlib import Path

from assistant.catalog import FileSource
from assistant.digest import sha256_of
from assistant.fetch.transfer import (
    Delivered,
    Expected,
    Listener,
    PartialFile,
    SourceError,
    check,
    require_space,
)
from assistant.store_entries import MODEL_FILE

_CHUNK = 1 << 20


def download(source: FileSource, work: Path, expected: Expected, listener: Listener) -> Delivered:
    """The file, linked into `work` where that is safe, else copied.

    Raises:
        SourceError: it is not there, not readable, or not the expected one.
        FetchError: no space for a copy.
    """
    path = source.path.expanduser()
    try:
        path = path.resolve(strict=True)
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise SourceError("it is not a file")
        path.open("rb").close()
    except OSError as error:
        raise SourceError(f"it cannot be read ({error.strerror})") from error
    if expected.size is not None and facts.st_size != expected.size:
        raise SourceError(f"it has {facts.st_size} bytes instead of {expected.size}")
    target = work / MODEL_FILE
    target.unlink(missing_ok=True)
    listener.started(0, facts.st_size)
    try:
        if source.link and _link(path, facts, target):
            delivered = Delivered(target, facts.st_size, sha256_of(target, listener.moved))
            check(delivered, expected)
            return delivered
        require_space(work, facts.st_size)
        return _copy(path, target, expected, listener)
    except BaseException:
        target.unlink(missing_ok=True)  # nothing to resume: the file is at hand
        raise


def _link(path: Path, facts: os.stat_result, target: Path) -> bool:
    """Whether `target` is now another name of the file.

    Only a file that nobody else may change is linked: what others may write would change in the store as well.
    """
    owned = not hasattr(os, "getuid") or facts.st_uid == os.getuid()
    if not owned or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return False
    try:
        os.link(path, target)
    except OSError:  # another disk, or a file system without links: copying says what else is wrong
        return False
    return True


def _copy(path: Path, target: Path, expected: Expected, listener: Listener) -> Delivered:
    with PartialFile(target) as partial, path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            partial.write(chunk)
            listener.moved(partial.size)
        return partial.finish(expected)
