"""SHA-256 of files."""

import hashlib
from collections.abc import Callable
from pathlib import Path

_CHUNK = 1 << 20


def sha256_of(path: Path, moved: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; `moved` is told the bytes read so far."""
    digest = hashlib.sha256()
    done = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if moved is not None:
                moved(done)
    return digest.hexdigest()
