"""Where the store's entries are made before they are renamed into place, and the locks that keep makers apart."""

import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from assistant.errors import StoreError
from assistant.manifest import MODEL_NAME
from assistant.store_entries import Kind

_TRASH_NAME = re.compile(r"[0-9a-f]{16}")


# Where an entry is made. Sub-models that are fetched have a place of their own: builds clear what killed builds left.
Area = Literal["bases", "submodels", "downloads"]


class Staging:
    """The `staging` and `locks` folders of a store."""

    def __init__(self, home: Path) -> None:
        """The staging of the store at `home`."""
        self.home = home
        self._trash = home / "staging" / "trash"

    def folder(self, area: Area, name: str) -> Path:
        """The folder an entry is made in."""
        return self.home / "staging" / area / name

    @contextmanager
    def held(self, kind: Kind, name: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        """Holds the lock of one entry; the system frees it when its holder dies.

        Args:
            kind: which part of the store.
            name: the entry's name.
            waiting: called once before waiting for another holder.

        Raises:
            filelock.Timeout: another holds it, and `waiting` is None.
        """
        locks = self.home / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / f"{kind}-{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if waiting is None:
                raise
            waiting()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def discard(self, directory: Path) -> None:
        """Deletes a folder of the store, if it is there, so that nobody sees a part of it: renamed away first."""
        self._trash.mkdir(parents=True, exist_ok=True)
        gone = self._trash / secrets.token_hex(8)
        try:
            directory.rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone)

    def leave(self, area: Area, name: str, *, keep: bool) -> None:
        """Ends work on an entry that was not installed: its folder goes, unless kept and not empty."""
        folder = self.folder(area, name)
        if not folder.is_dir() or (keep and any(path.is_file() for path in folder.rglob("*"))):
            return
        self.discard(folder)

    def unfinished(self, area: Area) -> dict[str, int]:
        """Bytes already there of each entry whose making has not ended, by name."""
        sizes = {folder.name: bytes_in(folder) for folder in folders(self.home / "staging" / area)}
        return {name: size for name, size in sizes.items() if size}

    def clean(self, kind: Kind, *, except_for: str) -> None:
        """Deletes what killed runs left of `kind`, and folders that were half deleted; live work is left alone."""
        for folder in folders(self._trash, _TRASH_NAME):
            shutil.rmtree(folder, ignore_errors=True)  # another process may be deleting it too
        for folder in folders(self.home / "staging" / kind):
            if folder.name == except_for:
                continue
            try:
                with self.held(kind, folder.name):
                    self.discard(folder)
            except Timeout:
                continue

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turns the system's refusals to write into errors that say what to do.

        Raises:
            StoreError: no space, no permission, or a file system that cannot be written.
        """
        try:
            yield
        except OSError as error:
            if out_of_space(error):
                raise self.full() from error
            raise StoreError(
                f"The model store at {self.home} cannot be written: {error.strerror or error}; "
                "change its permissions or choose another folder with SNED_HOME."
            ) from error

    def full(self) -> StoreError:
        """The error of a full disk."""
        return StoreError(
            f"No space is left for the model store at {self.home}; free some (sned models remove NAME does) "
            "and run the command again."
        )


def bytes_in(folder: Path) -> int:
    """Bytes of all files in a folder, in which another process may be at work."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                size += (Path(parent) / name).stat().st_size
    return size


def out_of_space(error: OSError) -> bool:
    """Whether the disk is full, or the user's share of it."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def folders(directory: Path, name: re.Pattern[str] = MODEL_NAME) -> list[Path]:
    """The folders in `directory` whose names match, by name; none when it does not exist."""
    try:
        return sorted(path for path in directory.iterdir() if name.fullmatch(path.name) and path.is_dir())
    except FileNotFoundError:
        return []
