"""What is about to be published: the model's file in the form it is to have, and the index that names it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from assistant.digest import sha256_of
from assistant.engine.memory import read_shape
from assistant.errors import PublicationError, UsageError
from assistant.manifest import MODEL_NAME
from assistant.publishing.index import Index, Publication, parse_index
from assistant.publishing.signing import SecretKey, sign, signature_file
from assistant.store import SubModelEntry
from export.sparse.convert import dense_to_sparse, sparse_to_dense


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to publish: a sub-model, its form there, what to call it, and the key that signs the index, if any."""

    entry: SubModelEntry
    sparse: bool
    name: str
    key: SecretKey | None = None

    def __post_init__(self) -> None:
        if not MODEL_NAME.fullmatch(self.name):
            raise UsageError(
                f"{self.name!r} cannot name a model; choose one of lower-case letters, digits, dots, hyphens and "
                "underscores with --name."
            )


@dataclass(frozen=True, slots=True)
class Published:
    """A publication, whether it is `new` there, and whether the index is signed."""

    publication: Publication
    new: bool
    signed: bool


def prepare(wanted: Wanted, out: Path) -> Publication:
    """Writes the file to publish to `out`, which must not be there yet, and gives what the index will say of it.

    Raises:
        PublicationError: the sub-model's file is not what its manifest says.
        CheckpointError: it cannot be packed.
        UsageError: `out` cannot be written.
    """
    entry = wanted.entry
    if sha256_of(entry.path) != entry.manifest.sha256:
        raise PublicationError(f"{entry.name} is damaged; {entry.remedy}.")
    is_sparse = read_shape(entry.path).sparse
    if wanted.sparse == is_sparse:
        shutil.copyfile(entry.path, out)
    elif wanted.sparse:
        dense_to_sparse(entry.path, out)
    else:
        sparse_to_dense(entry.path, out)
    # Which files of a project were left out is nobody else's business.
    calibration = entry.manifest.calibration.model_copy(update={"refused": []})
    told = {
        "name": wanted.name,
        "sha256": sha256_of(out),
        "size": out.stat().st_size,
        "provenance": None,
        "calibration": calibration,
    }
    return Publication(form="sparse" if wanted.sparse else "dense", manifest=entry.manifest.model_copy(update=told))


def already_there(index: Index, publication: Publication, place: str) -> bool:
    """Whether the index names this very publication.

    Raises:
        PublicationError: it names another one so.
    """
    if not index.has(publication.name):
        return False
    there = index.get(publication.name)
    if there is None or there.manifest.sha256 != publication.manifest.sha256:
        raise PublicationError(
            f"{place} has another {publication.name}, and what is published does not change; "
            "choose another name with --name."
        )
    return True


def grown(index: Index, publication: Publication, place: str) -> bytes:
    """The index with one more publication, as readers will accept it.

    Raises:
        PublicationError: they would not.
    """
    data = index.with_publication(publication)
    if parse_index(data, place).get(publication.name) is None:
        raise PublicationError(f"{publication.name} cannot be published: its manifest is not usable; build it again.")
    return data


def signature(index: bytes, key: SecretKey | None) -> dict[str, bytes]:
    """The signature's file and bytes, if there is a key."""
    return {} if key is None else {signature_file(index): sign(index, key)}


def require_key(*, signed: bool, key: SecretKey | None, place: str) -> None:
    """Refuses to leave unsigned what was signed: whoever asks for signatures could not fetch from there any more.

    Raises:
        UsageError: it would be left so.
    """
    if signed and key is None:
        raise UsageError(f"The index of {place} is signed; give the key with --sign.")
