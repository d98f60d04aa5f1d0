"""Cached sequences in a file: what a cache holds when a program ends, for its next start.

The file is a line that says what it is, the length of a JSON header (8 bytes, little endian), the header, the state of
each sequence as llama.cpp gives it, without the beginning that it shares with one before it, and the SHA-256 of all
that. llama.cpp takes what is in a state on trust: it gets nothing of a file before the digest agrees, and nothing that
another model or version wrote.
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

from assistant.errors import EngineError
from assistant.private_file import replacing

_MAGIC = b"sned KV cache 2\n"
_LENGTH_BYTES = 8
_DIGEST_BYTES = 32
_MAX_HEADER_BYTES = 16 << 20
_CHUNK = 1 << 20
_SAMPLES, _SAMPLE_BYTES = 64, 16 << 10


@dataclass(frozen=True, slots=True)
class SavedSequence:
    """What a file has of a sequence.

    Attributes:
        name: the sequence's.
        tokens: all of its tokens.
        size: bytes of its state.
        source: the sequence, before it in the file, that has the tokens its state is without; empty if there are none.
        shared: how many tokens that is, from the first.
    """

    name: str
    tokens: list[int]
    size: Annotated[int, pydantic.Field(gt=0)]
    source: str = ""
    shared: Annotated[int, pydantic.Field(ge=0)] = 0


@dataclass(frozen=True, slots=True)
class CacheKey:
    """What a file is good for: a model's fingerprint, and whatever its writer wants the same at restoring."""

    model: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class _Header:
    key: CacheKey
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


def write_cache_file(path: Path, key: CacheKey, sequences: list[SavedSequence], states: Iterator[memoryview]) -> None:
    """Writes the states beside `path` and renames the file into place; its owner alone may read it.

    Raises:
        EngineError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            _write(file, key, sequences, states)
    except OSError as error:
        raise EngineError(f"The cache cannot be saved to {path}: {error.strerror or error}.") from error


@contextmanager
def read_cache_file(path: Path, key: CacheKey, most_bytes: int) -> Iterator[Iterator[tuple[SavedSequence, bytes]]]:
    """The sequences of a file with their states, read one at a time, once all of the file has been checked.

    Raises:
        UnusableFile: it is missing, damaged, larger than `most_bytes`, or of another key.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > most_bytes:
                raise UnusableFile(f"it is larger than {most_bytes} bytes")
            sequences = _checked(file, key)
            yield ((sequence, file.read(sequence.size)) for sequence in sequences)
    except OSError as error:
        raise UnusableFile(error.strerror or str(error)) from error


def _write(file: BinaryIO, key: CacheKey, sequences: list[SavedSequence], states: Iterator[memoryview]) -> None:
    digest = hashlib.sha256()
    header = json.dumps(asdict(_Header(key, sequences))).encode("utf-8")
    for part in (_MAGIC, len(header).to_bytes(_LENGTH_BYTES, "little"), header):
        digest.update(part)
        file.write(part)
    for state in states:
        digest.update(state)
        file.write(state)
    file.write(digest.digest())


def _checked(file: BinaryIO, key: CacheKey) -> list[SavedSequence]:
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
    if header.key.model != key.model:
        raise UnusableFile("another model or version wrote it")
    if header.key.context != key.context:
        raise UnusableFile("it belongs to another context")
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
