"""What lies in the store: one folder an entry, with the model file and its manifest."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import TypeAdapter, ValidationError

from assistant.manifest import BaseManifest, Manifest, SubModelManifest
from assistant.validation import readable

MODEL_FILE = "model.gguf"
MANIFEST_FILE = "manifest.json"

Kind = Literal["bases", "submodels"]
KINDS: tuple[Kind, ...] = ("bases", "submodels")

_MANIFEST: TypeAdapter[BaseManifest | SubModelManifest] = TypeAdapter(Manifest)


@dataclass(frozen=True)
class _Whole:
    directory: Path

    @property
    def path(self) -> Path:
        """The model file."""
        return self.directory / MODEL_FILE

    def at(self, directory: Path) -> Self:
        """The same entry, after its folder was moved."""
        return dataclasses.replace(self, directory=directory)


@dataclass(frozen=True)
class BaseEntry(_Whole):
    """A base model in the store."""

    manifest: BaseManifest
    kind: Kind = dataclasses.field(default="bases", init=False)

    @property
    def name(self) -> str:
        """The name it is asked for by."""
        return self.manifest.name

    @property
    def remedy(self) -> str:
        """What to do if its file is damaged."""
        return _remedy(self.kind, self.name)


@dataclass(frozen=True)
class SubModelEntry(_Whole):
    """A sub-model in the store."""

    manifest: SubModelManifest
    kind: Kind = dataclasses.field(default="submodels", init=False)

    @property
    def name(self) -> str:
        """The name it is asked for by."""
        return self.manifest.name

    @property
    def remedy(self) -> str:
        """What to do if its file is damaged."""
        return _remedy(self.kind, self.name)


@dataclass(frozen=True)
class BrokenEntry:
    """A folder of the store that holds no usable model; `reason` says what is wrong with it."""

    directory: Path
    kind: Kind
    reason: str

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.directory.name

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _remedy(self.kind, self.name)


Entry = BaseEntry | SubModelEntry


def read_entry(kind: Kind, directory: Path) -> Entry | BrokenEntry:
    """The entry in `directory`; broken when its manifest or its model file is not as it should be."""
    manifest = _read_manifest(directory)
    if isinstance(manifest, str):
        return BrokenEntry(directory, kind, manifest)
    entry = BaseEntry(directory, manifest) if isinstance(manifest, BaseManifest) else SubModelEntry(directory, manifest)
    reason = _fault(entry, kind)
    return entry if reason is None else BrokenEntry(directory, kind, reason)


def _remedy(kind: Kind, name: str) -> str:
    return f"sned models remove {name}, then {f'sned fetch {name}' if kind == 'bases' else 'sned build'}"


def _read_manifest(directory: Path) -> BaseManifest | SubModelManifest | str:
    """The manifest, or what is wrong with it."""
    try:
        text = (directory / MANIFEST_FILE).read_bytes()
    except FileNotFoundError:
        return "its manifest is missing"
    except OSError as error:
        return f"its manifest cannot be read ({error.strerror})"
    try:
        return _MANIFEST.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        return f"its manifest is not valid ({field + ': ' if field else ''}{readable(first['msg'])})"


def _fault(entry: Entry, kind: Kind) -> str | None:
    if entry.kind != kind:
        return f"its manifest is of a {entry.manifest.kind}"
    if entry.name != entry.directory.name:
        return f"its manifest is of {entry.name!r}"
    try:
        size = entry.path.stat().st_size
    except FileNotFoundError:
        return "its model file is missing"
    except OSError as error:
        return f"its model file cannot be read ({error.strerror})"
    if size != entry.manifest.size:
        return f"its model file has {size} bytes instead of {entry.manifest.size}"
    return None
