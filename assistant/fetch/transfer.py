"""What every kind of source shares: what is expected, who is told of the progress, and the partial file."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from assistant.errors import FetchError

_CHUNK = 1 << 20


class SourceError(FetchError):
    """One source cannot deliver; the message is the reason alone, for the next source may do.

    `unreachable` tells that nobody answered: a machine without network looks so.
    """

    def __init__(self, reason: str, *, unreachable: bool = False) -> None:
        """A failure for `reason`."""
        super().__init__(reason)
        self.unreachable = unreachable


@dataclass(frozen=True, slots=True)
class Expected:
    """The file that is wanted: its bytes, None when only the source knows, and its SHA-256."""

    size: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Delivered:
    """A file that is whole and verified."""

    path: Path
    size: int
    sha256: str


class Listener(Protocol):
    """Who is told how a fetch goes."""

    def trying(self, source: str) -> None:
        """A source is tried."""
        ...

    def failed(self, source: str, reason: str) -> None:
        """It could not deliver."""
        ...

    def waiting(self) -> None:
        """Another process fetches the same model; this one waits for it."""
        ...

    def started(self, done: int, total: int | None) -> None:
        """Bytes begin to come; `done` of `total` are here from an earlier run."""
        ...

    def moved(self, done: int) -> None:
        """`done` bytes of the file are here."""
        ...


class Silent:
    """Nobody to tell."""

    def trying(self, source: str) -> None:
        """Says nothing."""

    def failed(self, source: str, reason: str) -> None:
        """Says nothing."""

    def waiting(self) -> None:
        """Says nothing."""

    def started(self, done: int, total: int | None) -> None:
        """Says nothing."""

    def moved(self, done: int) -> None:
        """Says nothing."""


class PartialFile:
    """The model file as far as it has come; what is written is hashed as it passes.

    Attributes:
        size: bytes so far.
    """

    def __init__(self, path: Path, keep: int | None = None) -> None:
        """Goes on with the file at `path`, or with its first `keep` bytes; begins it when there is none."""
        path.touch()
        self.path = path
        self._file = path.open("r+b", buffering=0)
        if keep is not None:
            self._file.truncate(min(keep, path.stat().st_size))
        self._digest = hashlib.sha256()
        self.size = 0
        while chunk := self._file.read(_CHUNK):
            self._digest.update(chunk)
            self.size += len(chunk)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the file and keeps it."""
        self._file.close()

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes so far, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Appends `data`."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._digest.update(data)
        self.size += len(data)

    def restart(self) -> None:
        """Forgets everything so far."""
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.size = 0

    def finish(self, expected: Expected) -> Delivered:
        """The whole file, if it is the expected one; else it is emptied, for no part of it can be trusted.

        Raises:
            SourceError: size or SHA-256 differ.
        """
        delivered = Delivered(self.path, self.size, self.sha256)
        try:
            check(delivered, expected)
        except SourceError:
            self.restart()
            raise
        return delivered


def check(delivered: Delivered, expected: Expected) -> None:
    """Raises SourceError when the file is not the expected one."""
    if expected.size is not None and delivered.size != expected.size:
        raise SourceError(f"it has {delivered.size} bytes instead of {expected.size}")
    if expected.sha256 is not None and delivered.sha256 != expected.sha256:
        raise SourceError(f"its SHA-256 is {delivered.sha256} instead of {expected.sha256}")


def require_space(directory: Path, needed: int) -> None:
    """Raises FetchError when `directory`'s disk has fewer than `needed` bytes free."""
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise FetchError(
            f"{megabytes(needed)} are needed at {directory} and {megabytes(free)} are free; free some "
            "(sned models remove NAME does) or choose another disk with SNED_HOME."
        )


def megabytes(size: int) -> str:
    """`size` bytes in words."""
    return f"{size / 1e6:,.1f} MB"
