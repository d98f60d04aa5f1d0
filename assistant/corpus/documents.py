"""Documents in a seeded order: of the project, of this machine's corpora, and of what the user names."""

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import NamedTuple

from assistant.corpus.document import Document, document_of, is_held_out
from assistant.corpus.places import machine_volumes
from assistant.corpus.volumes import Files, Folder, Volume, open_archive
from assistant.errors import UsageError
from assistant.languages import Language
from assistant.project_files import project_files

# Members are read so many bytes at a time, since a compressed tar must be gone through for each reading. One batch of
# code is about a million tokens, more than most calibration sets.
_BATCH_BYTES = 4 << 20

_REPOSITORIES = frozenset({".git", ".hg", ".svn", "__pycache__"})
_ARCHIVE_ENDINGS = (
    ".zip",
    ".jar",
    ".whl",
    ".tar",
    ".gz",
    ".tgz",
    ".bz2",
    ".tbz2",
    ".xz",
    ".txz",
    ".zst",
    ".7z",
    ".rar",
)


class _Member(NamedTuple):
    """A file of a volume; sorted, they are in the order they are read in."""

    order: bytes
    volume: int
    name: str
    size: int


def project_documents(root: Path, language: Language, seed: int, *, held_out: bool = False) -> Iterator[Document]:
    """The project's own files in `language` (see `project_files`), or those held out of calibration.

    Raises:
        OSError: `root` cannot be listed.
    """
    # A file that cannot be read is no calibration text; `sned detect` tells of it.
    files = [file for file in project_files(root, lambda _: None) if file.language == language.value]
    volume = Files("project", {file.name: file.path for file in files}, {file.name: file.size for file in files})
    return sampled([volume], seed, held_out=held_out)


def corpus_documents(
    language: Language, seed: int, project: Path | None = None, *, held_out: bool = False
) -> Iterator[Document]:
    """Code in `language` found on this machine and in `project`'s environment, or what is held out of it.

    Each place in turn gives a document. There may be none: `corpus_advice` then says what to install.
    """
    return sampled(machine_volumes(language, project), seed, held_out=held_out)


def other_documents(language: Language, seed: int) -> Iterator[Document]:
    """Code in all languages but one that lies on this machine, a document of each in turn."""
    corpora = deque(corpus_documents(other, seed) for other in Language if other is not language)
    while corpora:
        corpus = corpora.popleft()
        document = next(corpus, None)
        if document is not None:
            yield document
            corpora.append(corpus)


def calibration_documents(source: Path, language: Language, seed: int, *, held_out: bool = False) -> Iterator[Document]:
    """Code in `language` from a folder, a zip or tar archive, or one file of any name.

    Raises:
        UsageError: there is no `source`, it cannot be read as what it is, or it holds no documents.
    """
    documents = sampled([_named_volume(source, language)], seed, held_out=held_out)
    first = next(documents, None)
    if first is None:
        raise UsageError(
            f"{source} holds no usable {language.label} code (UTF-8, written by people, not held out for evaluation); "
            "name a folder or an archive with more of it."
        )
    return chain([first], documents)


def sampled(volumes: Iterable[Volume], seed: int, *, held_out: bool = False) -> Iterator[Document]:
    """The documents of `volumes` in a pseudo-random order, without repeats; each origin in turn gives one.

    The order follows from the seed and the members' names: neither the order of the file system nor that of an archive
    matters. Contents are read as they are asked for.

    Raises:
        UsageError: an archive among the volumes cannot be read.
    """
    by_origin = groupby(sorted(volumes, key=lambda volume: volume.origin), key=lambda volume: volume.origin)
    turns = [_shuffled(list(group), seed) for _, group in by_origin]
    seen: set[bytes] = set()
    while turns:
        for turn in tuple(turns):
            document = _next_new(turn, seen, held_out)
            if document is None:
                turns.remove(turn)
            else:
                yield document


def _next_new(documents: Iterator[Document], seen: set[bytes], held_out: bool) -> Document | None:
    for document in documents:
        digest = hashlib.sha256(document.text.encode()).digest()
        if digest not in seen and is_held_out(document) == held_out:
            seen.add(digest)
            return document
    return None


def _shuffled(volumes: Sequence[Volume], seed: int) -> Iterator[Document]:
    """The documents of volumes of one origin, each file's place decided by a hash of the seed and its name."""
    members = [
        _Member(_order(seed, name), index, name, size)
        for index, volume in enumerate(volumes)
        for name, size in volume.members().items()
    ]
    members.sort()
    for batch in _batches(members):
        contents = {
            index: volume.read([member.name for member in batch if member.volume == index])
            for index, volume in enumerate(volumes)
            if any(member.volume == index for member in batch)
        }
        for member in batch:
            content = contents[member.volume].get(member.name)
            name = member.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            if content is not None and (document := document_of(volumes[member.volume].origin, name, content)):
                yield document


def _order(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "surrogateescape")).digest()[:16]


def _batches(members: Iterable[_Member]) -> Iterator[list[_Member]]:
    batch: list[_Member] = []
    size = 0
    for member in members:
        if batch and size + member.size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(member)
        size += member.size
    if batch:
        yield batch


def _named_volume(source: Path, language: Language) -> Volume:
    """What the user named, as a volume.

    Raises:
        UsageError: there is no `source`, or it is an archive of another kind or broken.
    """

    def wanted(name: str) -> bool:
        return name.lower().endswith(language.suffixes)

    origin = source.resolve().name
    if source.is_dir():
        with os.scandir(source):  # an unreadable folder is an error where the user named it
            pass
        return Folder(origin, source, wanted, _REPOSITORIES)
    if not source.is_file():
        raise UsageError(f"There is no file or folder {source} to calibrate on; check the path.")
    if (archive := open_archive(origin, source, wanted)) is not None:
        return archive
    if source.name.lower().endswith(_ARCHIVE_ENDINGS):
        raise UsageError(
            f"{source} is no archive that can be read; name a whole zip, or a tar plain or compressed with gzip, "
            "bzip2 or xz, or unpack it and name the folder."
        )
    return Files(origin, {source.name: str(source)}, {source.name: source.stat().st_size})
