"""The index of a published folder, with digests and sizes; it is read as if a stranger had written it."""

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json, to_json

from assistant.errors import PublicationError
from assistant.manifest import MODEL_NAME, SubModelManifest
from assistant.validation import readable

INDEX_FILE = "index.json"
INDEX_VERSION = 1
# A sub-model with 200 pruned matrices takes 12 kB.
INDEX_BYTES = 8 << 20
_DEPTH = 8
_STRING_LENGTH = 2000
_LARGEST_MODEL = 1 << 40
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Publication(BaseModel):
    """A published sub-model; its manifest has name, size and digest of the published file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal["sparse", "dense"]
    manifest: SubModelManifest

    @property
    def name(self) -> str:
        """What it is published as."""
        return self.manifest.name

    @property
    def file(self) -> str:
        """Its file's name, beside the index."""
        return file_of(self.name)


@dataclass(frozen=True, slots=True)
class Index:
    """What is published in one place, in the order in which it was.

    Attributes:
        publications: those that this program can use.
        unusable: why it cannot use others, by name.
        entries: all of them, as they stand in the file.
    """

    publications: tuple[Publication, ...] = ()
    unusable: tuple[tuple[str, str], ...] = ()
    entries: tuple[dict[str, Any], ...] = ()

    def get(self, name: str) -> Publication | None:
        """What is published as `name`, if it can be used."""
        return next((each for each in self.publications if each.name == name), None)

    def has(self, name: str) -> bool:
        """Whether anything is published as `name`, even if it cannot be used."""
        return self.get(name) is not None or any(other == name for other, _ in self.unusable)

    def with_publication(self, publication: Publication) -> bytes:
        """The file of this index with one more publication."""
        table = {
            "sned_index": INDEX_VERSION,
            "models": [*self.entries, publication.model_dump(mode="json")],
        }
        return to_json(table, indent=2) + b"\n"


def file_of(name: str) -> str:
    """The file of what is published as `name`."""
    return f"{name}.gguf"


def parse_index(data: bytes, place: str) -> Index:
    """The index in `data`, which was read at `place`.

    Raises:
        PublicationError: it is not an index, one that a newer program made, or one that nobody can need so large.
    """
    if len(data) > INDEX_BYTES:
        raise _bad(place, f"it has more than {INDEX_BYTES:,} bytes")
    try:
        table = from_json(data, allow_inf_nan=False, allow_partial=False)
    except ValueError as error:
        raise _bad(place, f"it is not JSON ({error})") from error
    if (fault := _untidy(table)) is not None:
        raise _bad(place, fault)
    if not isinstance(table, dict) or not isinstance(version := table.get("sned_index"), int) or version < 1:
        raise _bad(place, "it does not say sned_index")
    if version > INDEX_VERSION:
        raise PublicationError(
            f"The index of {place} is of version {version}, and this program reads {INDEX_VERSION}; update sned."
        )
    models = table.get("models")
    if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
        raise _bad(place, "its models are not a list of objects")
    return _read(models, place)


def _read(models: list[dict[str, Any]], place: str) -> Index:
    publications: list[Publication] = []
    unusable: list[tuple[str, str]] = []
    for number, model in enumerate(models):
        manifest = model.get("manifest")
        name = manifest.get("name") if isinstance(manifest, dict) else None
        if not isinstance(name, str) or not MODEL_NAME.fullmatch(name):
            raise _bad(place, f"models[{number}] has {name!r} for a name")
        if any(name == other.name for other in publications) or any(name == other for other, _ in unusable):
            raise _bad(place, f"{name} is there twice")
        try:
            publication = Publication.model_validate(model)
        except ValidationError as error:
            first = error.errors()[0]
            unusable.append((name, f"{'.'.join(map(str, first['loc']))}: {readable(first['msg'])}"))
            continue
        if (fault := _fault(publication.manifest)) is not None:
            raise _bad(place, f"{name}: {fault}")
        publications.append(publication)
    return Index(tuple(publications), tuple(unusable), tuple(models))


def _fault(manifest: SubModelManifest) -> str | None:
    """What a manifest says that cannot be."""
    for what, digest in (("sha256", manifest.sha256), ("base.sha256", manifest.base.sha256)):
        if not _SHA256.fullmatch(digest):
            return f"{what} is {digest!r}"
    if not 0 < manifest.size <= _LARGEST_MODEL:
        return f"size is {manifest.size}"
    if not all(math.isfinite(value) for value in (*manifest.quality.values(), *manifest.sparsity.values())):
        return "a measured value is no number"
    return None


def _untidy(table: Any) -> str | None:
    """What is wrong with a parsed document that must be small and flat, and may be shown in a terminal."""
    level = [table]
    for _ in range(_DEPTH):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner += [*value, *value.values()]
            elif isinstance(value, list):
                inner += value
            elif isinstance(value, str) and (len(value) > _STRING_LENGTH or not value.isprintable()):
                return f"it has the text {value[:40]!r}, which is too long or not printable"
        level = inner
    return "it is nested too deeply" if level else None


def _bad(place: str, what: str) -> PublicationError:
    return PublicationError(f"The index of {place} cannot be used: {what}; tell whoever publishes there.")
