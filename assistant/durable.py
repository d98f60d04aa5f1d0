"""Files that are whole after a crash: written beside, synced, then renamed."""

import os
from pathlib import Path


def sync_file(path: Path) -> None:
    """Has the file's bytes on the disk before it returns."""
    # Windows flushes only what is open for writing; elsewhere a file may well be read-only.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Has the directory's entries on the disk before it returns, where the platform can."""
    if os.name == "nt":  # directories cannot be opened; NTFS journals renames by itself
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Replaces the file's text; whoever looks sees the old or the new, never a part."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces the file's content, as `write_text`."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        beside.write_bytes(content)
        sync_file(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync_directory(path.parent)
