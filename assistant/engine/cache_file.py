"""Cached sequences in a file: what a cache holds when a program ends, for its next start.

The file is a line that says what it is, the length of a JSON header (8 bytes, little endian), the header, the state of
each sequence as llama.cpp gives it, and the SHA-256 of all that. llama.cpp takes what is in a state on trust: it gets
nothing of a file before the digest agrees, and nothing that another model or version wrote.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

import pydantic

from assistant.durable import sync_directory, sync_file
from assistant.errors import EngineError

_MAGIC = b"sned KV cache 1\n"
_LENGTH_BYTES = 8
_DIGEST_BYTES = 32
_MAX_HEADER_BYTES = 16 << 20
_CHUNK = 1 << 20
_SAMPLES, _SAMPLE_BYTES = 64, 16 << 10


@dataclass(frozen=True, slots=True)
class SavedSequence:
    """A sequence's name, its tokens, and how many bytes its state has."""

    name: str
    tokens: list[int]
    size: Annotated[int, pydantic.Field(gt=0)]


@dataclass(frozen=True, slots=True)
class _Header:
    model: str
    sequences: list[SavedSequence]


_HEADER = pydantic.TypeAdapter(_Header)


class UnusableFile(Exception):  # noqa: N818 - a reason to do without, not an error
    """A cache file that cannot be used; its message says why."""


def fingerprint(path: Path, version: str) -> str:
    """What tells one model file from another without reading hundreds of megabytes: its size and bytes all over it.

    Models pruned from one base differ everywhere. `version` says what else a state depends on.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(f"{version} {size} ".encode())
    with path.open("rb") as file:
        for sample in range(_SAMPLES):
            file.seek(max(size - _SAMPLE_BYTES, 0) * sample // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def write_cache_file(path: Path, model: str, sequences: list[SavedSequence], states: Iterator[memoryview]) -> None:
    """Writes the states beside `path` and renames the file into place; its owner alone may read it.

    Raises:
        EngineError: it cannot be written.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(beside, "wb", opener=_open_private) as file:
                _write(file, model, sequences, states)
            sync_file(beside)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        sync_directory(path.parent)
    except OSError as error:
        raise EngineError(f"The cache cannot be saved to {path}: {error.strerror or error}.") from error


@contextmanager
def read_cache_file(path: Path, model: str, most_bytes: int) -> Iterator[Iterator[tuple[SavedSequence, bytes]]]:
    """The sequences of a file with their states, read one at a time, once all of the file has been checked.

    Raises:
        UnusableFile: it is missing, damaged, larger than `most_bytes`, or another model's.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > most_bytes:
                raise UnusableFile(f"it is larger than {most_bytes} bytes")
            sequences = _checked(file, model)
            yield ((sequence, file.read(sequence.size)) for sequence in sequences)
    except OSError as error:
        raise UnusableFile(error.strerror or str(error)) from error


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _write(file: BinaryIO, model: str, sequences: list[SavedSequence], states: Iterator[memoryview]) -> None:
    digest = hashlib.sha256()
    header = json.dumps(asdict(_Header(model, sequences))).encode("utf-8")
    for part in (_MAGIC, len(header).to_bytes(_LENGTH_BYTES, "little"), header):
        digest.update(part)
        file.write(part)
    for state in states:
        digest.update(state)
        file.write(state)
    file.write(digest.digest())


def _checked(file: BinaryIO, model: str) -> list[SavedSequence]:
    """The sequences of a whole and right file, which is then at the first one's state."""
    size = os.fstat(file.fileno()).st_size
    if file.read(len(_MAGIC)) != _MAGIC:
        raise UnusableFile("it is not a cache file of this version")
    length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    start = len(_MAGIC) + _LENGTH_BYTES + length
    if length > _MAX_HEADER_BYTES or start + _DIGEST_BYTES > size:
        raise UnusableFile("it is truncated or damaged")
    raw = file.read(length)
    file.seek(0)
    if _digest_of(file, size - _DIGEST_BYTES) != file.read(_DIGEST_BYTES):
        raise UnusableFile("it is truncated or damaged")
    header = _parse(raw)
    if header.model != model:
        raise UnusableFile("another model or version wrote it")
    if start + sum(sequence.size for sequence in header.sequences) + _DIGEST_BYTES != size:
        raise UnusableFile("its parts do not make up its size")
    file.seek(start)
    return header.sequences


def _parse(raw: bytes) -> _Header:
    try:
        return _HEADER.validate_json(raw, strict=True)
    except pydantic.ValidationError as error:
        raise UnusableFile("its header is not a cache file's") from error


def _digest_of(file: BinaryIO, size: int) -> bytes:
    digest = hashlib.sha256()
    while size > 0 and (chunk := file.read(min(_CHUNK, size))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.digest()
