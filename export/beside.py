"""Files and folders that appear under their name once they are whole: written beside it, then renamed."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from prune.errors import UsageError


def name_beside(path: Path) -> Path:
    """A name in the same folder, that nobody else has: two that write the same do not meet.

    Raises:
        FileExistsError: `path` is there.
    """
    if path.exists():
        raise FileExistsError(f"{path} is there already; choose another name, or remove it.")
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")


class NewFile:
    """A file that is being written; a context manager. Unless `finish` was called, nothing is left when it ends.

    Attributes:
        file: where to write.
    """

    def __init__(self, path: Path) -> None:
        """Begins a file beside `path`.

        Raises:
            OSError: `path` is there, or nothing can be written beside it.
        """
        self._path = path
        self._partial = name_beside(path)
        self.file: BinaryIO = self._partial.open("xb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Removes what was written, unless it is finished."""
        try:
            self.file.close()  # writes what is buffered, for which there may be no room
        except OSError:
            pass
        finally:
            self._partial.unlink(missing_ok=True)

    def finish(self) -> None:
        """Makes the file durable, and gives it its name.

        Raises:
            OSError: the disk is full, or fails.
        """
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self._partial.replace(self._path)


@contextmanager
def named_refusals(path: Path) -> Iterator[None]:
    """Turns the system's refusals to write `path` into errors that say what to do.

    Raises:
        UsageError: it is there already, cannot be written, or the disk is full.
    """
    try:
        yield
    except FileExistsError as error:
        raise UsageError(f"{path} is there already; choose another name, or remove it.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; choose a place with room for it.") from error
