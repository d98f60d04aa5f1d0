"""Changes to files: reviewed, written whole or not at all, taken back."""

import difflib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from assistant.durable import sync_directory, sync_file
from assistant.errors import AnswerError, UsageError
from assistant.source_file import decode_source


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file as it is: its bytes, None when there is none, and its text with `\\n` for line ends."""

    data: bytes | None
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a file is to become.

    Attributes:
        path: the file.
        before: its bytes; None when it is new.
        after: what they are to be.
        diff: the difference, as `diff -u` shows it.
    """

    path: Path
    before: bytes | None
    after: bytes
    diff: str

    def write(self) -> None:
        """Writes it.

        Raises:
            UsageError: the file has changed since, or cannot be written; then it is left as it is.
        """
        self._replace(self.before, self.after)

    def undo(self) -> None:
        """Makes the file what it was before.

        Raises:
            UsageError: it has been changed since, or cannot be written.
        """
        self._replace(self.after, self.before)

    def _replace(self, expected: bytes | None, data: bytes | None) -> None:
        if _bytes(self.path) != expected:
            raise UsageError(f"{self.path} has been changed meanwhile, so it is left as it is.")
        try:
            if data is None:
                self.path.unlink()
            else:
                _write(self.path, data)
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror}; it is as it was.") from error


def read_file(path: Path) -> ReadFile:
    """The file at `path`, which may be new.

    Raises:
        UsageError: it is a folder, is no text, or cannot be read.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder; give a file in it.")
    data = _bytes(path)
    text = decode_source(data, str(path)) if data is not None else ""
    return ReadFile(data, text.replace("\r\n", "\n"))


def change_of(path: Path, before: ReadFile, text: str, root: Path | None = None) -> Change:
    """The change that makes a file's text `text`; line ends and byte order mark stay what they are.

    The diff calls the file by its path in `root`, if it is there.

    Raises:
        AnswerError: the file is that already.
    """
    data = before.data or b""
    if before.text and not before.text.endswith("\n"):
        text = text.removesuffix("\n")
    if b"\r\n" in data:
        text = text.replace("\n", "\r\n")
    after = (b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b"") + text.encode("utf-8", errors="replace")
    if after == before.data:
        raise AnswerError(f"{path} is just so already; nothing is to be changed.")
    name = path.relative_to(root).as_posix() if root is not None and path.is_relative_to(root) else path.name
    lines = difflib.unified_diff(
        before.text.splitlines(),
        text.replace("\r\n", "\n").splitlines(),
        "/dev/null" if before.data is None else f"a/{name}",
        f"b/{name}",
        lineterm="",
    )
    return Change(path, before.data, after, "\n".join(lines))


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error


def _write(path: Path, data: bytes) -> None:
    """Replaces a file's bytes: whoever looks sees the old or the new. It keeps its permissions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        beside.chmod(path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~_umask())
        sync_file(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync_directory(path.parent)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
