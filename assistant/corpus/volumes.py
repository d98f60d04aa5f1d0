"""Where documents are read from: folders and archives, all seen as a list of members and their contents.

Archives may come from anywhere: members are read in memory up to a limit, never extracted, and their names are labels.
"""

import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from assistant.corpus.document import MAX_BYTES, MIN_BYTES
from assistant.errors import UsageError

# Whether a member of this name, a posix path, is wanted.
Wanted = Callable[[str], bool]

# What an archive may say it holds in all; walking through more would take hours.
_MAX_ARCHIVE_BYTES = 1 << 36

# All that Python's archive modules raise for broken, encrypted or unsupported archives.
_ARCHIVE_ERRORS = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error,
    EOFError, NotImplementedError, OSError, OverflowError, RuntimeError, ValueError,
)  # fmt: skip


class Volume(Protocol):
    """A place with files of code."""

    @property
    def origin(self) -> str:
        """What its documents' origin is called."""
        ...

    def members(self) -> Mapping[str, int]:
        """The names of its files, posix, that may be documents, and their sizes in bytes.

        Raises:
            UsageError: the archive cannot be read.
        """
        ...

    def read(self, names: Collection[str]) -> Mapping[str, bytes]:
        """The contents of some of its members; one that has gone since, or became too large, is missing.

        Raises:
            UsageError: the archive cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Files:
    """Files that were found already: paths by name, with sizes."""

    origin: str
    paths: Mapping[str, str]
    sizes: Mapping[str, int]

    def members(self) -> Mapping[str, int]:
        """As `Volume.members`."""
        return {name: size for name, size in self.sizes.items() if _may_be_document(size)}

    def read(self, names: Collection[str]) -> Mapping[str, bytes]:
        """As `Volume.read`."""
        contents = {name: _read_file(self.paths[name]) for name in names}
        return {name: content for name, content in contents.items() if content is not None}


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder and all under it, but for folders of the names `without`; links to folders are not followed.

    What may not be listed or read is passed over: the volume is what this user can read.
    """

    origin: str
    root: Path
    wanted: Wanted
    without: frozenset[str] = frozenset()

    def members(self) -> Mapping[str, int]:
        """As `Volume.members`."""
        return {name: size for name, size in self._walk() if _may_be_document(size)}

    def read(self, names: Collection[str]) -> Mapping[str, bytes]:
        """As `Volume.read`."""
        contents = {name: _read_file(os.path.join(self.root, name)) for name in names}  # noqa: PTH118
        return {name: content for name, content in contents.items() if content is not None}

    def _walk(self) -> Iterator[tuple[str, int]]:
        pending = [""]
        while pending:
            prefix = pending.pop()
            try:
                with os.scandir(os.path.join(self.root, prefix)) as entries:  # noqa: PTH118
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            if entry.name not in self.without:
                                pending.append(f"{prefix}{entry.name}/")
                        elif self.wanted(f"{prefix}{entry.name}") and entry.is_file():
                            yield f"{prefix}{entry.name}", entry.stat().st_size
            except OSError:
                continue


@dataclass(frozen=True, slots=True)
class ZipArchive:
    """A zip file: a JDK's `src.zip`, a source jar, a wheel. `label` begins its members' names."""

    origin: str
    path: Path
    wanted: Wanted
    label: str = ""

    def members(self) -> Mapping[str, int]:
        """As `Volume.members`."""
        with _readable(self.path), zipfile.ZipFile(self.path) as archive:
            return {
                f"{self.label}{info.filename}": info.file_size
                for info in archive.infolist()
                if not info.is_dir() and self.wanted(info.filename) and _may_be_document(info.file_size)
            }

    def read(self, names: Collection[str]) -> Mapping[str, bytes]:
        """As `Volume.read`."""
        contents = {}
        with _readable(self.path), zipfile.ZipFile(self.path) as archive:
            for name in names:
                with archive.open(name.removeprefix(self.label)) as member:
                    content = member.read(MAX_BYTES + 1)  # the size in the directory is only a claim
                if len(content) <= MAX_BYTES:
                    contents[name] = content
        return contents


@dataclass(frozen=True, slots=True)
class TarArchive:
    """A tar file, compressed or not, read from front to back: each call of a method is one pass."""

    origin: str
    path: Path
    wanted: Wanted

    def members(self) -> Mapping[str, int]:
        """As `Volume.members`."""
        sizes: dict[str, int] = {}
        with _readable(self.path):
            for info, _ in self._pass():
                sizes.setdefault(info.name, info.size)
        return sizes

    def read(self, names: Collection[str]) -> Mapping[str, bytes]:
        """As `Volume.read`."""
        missing = set(names)
        contents = {}
        with _readable(self.path):
            for info, archive in self._pass():
                if info.name not in missing:
                    continue
                member = archive.extractfile(info)
                assert member is not None
                contents[info.name] = member.read(MAX_BYTES)
                missing.remove(info.name)
                if not missing:
                    break
        return contents

    def _pass(self) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
        total = 0
        with tarfile.open(self.path) as archive:
            for info in archive:
                total += info.size
                if total > _MAX_ARCHIVE_BYTES:
                    raise tarfile.ReadError(f"it says it holds more than {_MAX_ARCHIVE_BYTES >> 30} GiB")
                if info.isreg() and self.wanted(info.name) and _may_be_document(info.size):
                    yield info, archive
                # The module would keep every header it has read.
                archive.members = []  # type: ignore[attr-defined]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Names the archive in whatever its module raises."""
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except _ARCHIVE_ERRORS as error:
        raise UsageError(f"The archive {path} cannot be read ({error}); replace it or name another.") from error


def open_archive(origin: str, path: Path, wanted: Wanted) -> Volume | None:
    """The zip or tar archive at `path`, told by its contents; None when it is neither.

    Raises:
        UsageError: it begins as an archive and breaks off.
    """
    with _readable(path):
        if zipfile.is_zipfile(path):
            return ZipArchive(origin, path, wanted)
        if tarfile.is_tarfile(path):
            return TarArchive(origin, path, wanted)
    return None


def _may_be_document(size: int) -> bool:
    return MIN_BYTES <= size <= MAX_BYTES


def _read_file(path: str) -> bytes | None:
    """The bytes of a file; None when it has gone, may not be read, or is too large now."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            content = file.read(MAX_BYTES + 1)
    except OSError:
        return None
    return content if len(content) <= MAX_BYTES else None
