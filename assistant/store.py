"""The model store: base models and sub-models in the user's data directory.

An entry is a folder that was written whole elsewhere and renamed into place; it is never changed there. So after a kill
at any moment, and beside any other process, an entry is there whole or not at all.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import Timeout

from assistant.digest import sha256_of
from assistant.durable import sync_directory, sync_file, write_text
from assistant.errors import StoreError, UsageError
from assistant.languages import Language
from assistant.manifest import MODEL_NAME, BaseManifest, SubModelManifest
from assistant.quality import read_quality
from assistant.recipe import RECIPE_VERSION, Recipe
from assistant.staging import Area, Staging, folders, out_of_space
from assistant.store_entries import (
    KINDS,
    MANIFEST_FILE,
    MODEL_FILE,
    BaseEntry,
    BrokenEntry,
    Entry,
    Kind,
    SubModelEntry,
    read_entry,
)

__all__ = ["BaseEntry", "BrokenEntry", "Entry", "Installation", "Kind", "Store", "SubModelEntry"]


class Installation:
    """An entry being made, while this process holds its lock.

    Attributes:
        directory: where the model file is to be written, as `model.gguf`; `commit` drops whatever else lies there.
        existing: the entry, if another process or an earlier run has made it already.
    """

    def __init__(self, staging: Staging, area: Area, kind: Kind, name: str, existing: Entry | None) -> None:
        """Made by `Store.installing`."""
        self.directory = staging.folder(area, name)
        self.existing = existing
        self._staging = staging
        self._kind = kind
        self._target = staging.home / kind / name

    def commit(self, manifest: BaseManifest | SubModelManifest) -> Entry:
        """Puts the entry into the store, whole and durably, and gives it back.

        Raises:
            StoreError: the folder does not hold what the manifest says; the store is as before.
        """
        for path in self.directory.iterdir():
            if path.name != MODEL_FILE:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        write_text(self.directory / MANIFEST_FILE, manifest.model_dump_json(indent=2) + "\n")
        # The staging folder has the entry's name, so that what is about to be installed can be judged as an entry.
        made = read_entry(self._kind, self.directory)
        if isinstance(made, BrokenEntry):
            raise StoreError(f"{made.name} was not put into the store: {made.reason}; run the command again.")
        sync_file(made.path)
        sync_directory(self.directory)
        if self._target.exists():  # a broken entry, or it would have been `existing`
            self._staging.discard(self._target)
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self.directory.rename(self._target)
        sync_directory(self._target.parent)
        return made.at(self._target)


class Store:
    """The entries under one folder: `bases/NAME` and `submodels/NAME`, each a model file and its manifest."""

    def __init__(self, home: Path) -> None:
        """A store at `home`, which need not exist yet."""
        self.home = home
        self._staging = Staging(home)

    def bases(self) -> list[BaseEntry]:
        """The base models, by name."""
        return [entry for entry in self._entries("bases") if isinstance(entry, BaseEntry)]

    def submodels(self) -> list[SubModelEntry]:
        """The sub-models, by name."""
        return [entry for entry in self._entries("submodels") if isinstance(entry, SubModelEntry)]

    def broken(self) -> list[BrokenEntry]:
        """The folders that hold no usable model, by name."""
        return [entry for kind in KINDS for entry in self._entries(kind) if isinstance(entry, BrokenEntry)]

    def unfinished(self) -> dict[str, int]:
        """Bytes already there of each model whose download has not ended, by name."""
        return self._staging.unfinished("downloads") | self._staging.unfinished("bases")

    def base(self, name: str) -> BaseEntry | None:
        """The base model of this name, if it is here and whole."""
        entry = self._entry("bases", name)
        return entry if isinstance(entry, BaseEntry) else None

    def has_base(self, name: str) -> bool:
        """Whether there is an entry of this name among the base models, whole or broken."""
        return self._entry("bases", name) is not None

    def submodel(self, identity_or_name: str) -> SubModelEntry | None:
        """The sub-model of this name or whole identity, if it is here and whole."""
        entry = self._entry("submodels", identity_or_name)
        if isinstance(entry, SubModelEntry):
            return entry
        return next((each for each in self.submodels() if each.manifest.identity == identity_or_name), None)

    def submodels_for(self, base_sha256: str, language: Language, recipe: Recipe) -> list[SubModelEntry]:
        """The sub-models cut from that base for that language by that recipe, newest first.

        They differ in their calibration alone.
        """
        matching = [
            entry
            for entry in self.submodels()
            if entry.manifest.base.sha256 == base_sha256
            and entry.manifest.language == language
            and entry.manifest.recipe == recipe.as_dict()
            and entry.manifest.recipe_version == RECIPE_VERSION
        ]
        return sorted(matching, key=lambda entry: entry.path.stat().st_mtime_ns, reverse=True)

    def locate(self, name: str) -> Entry | BrokenEntry:
        """What `name` means: a name, the beginning of one name alone, or the beginning of one sub-model's identity.

        Raises:
            UsageError: nothing, or more than one entry, is called so.
        """
        entries = [entry for kind in KINDS for entry in self._entries(kind)]
        candidates = [entry for entry in entries if entry.name == name] or [
            entry
            for entry in entries
            if entry.name.startswith(name)
            or (isinstance(entry, SubModelEntry) and entry.manifest.identity.startswith(name))
        ]
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise UsageError(
                f"{name!r} may mean {', '.join(entry.name for entry in candidates)}; give more of the name."
            )
        here = ", ".join(entry.name for entry in entries)
        raise UsageError(
            f"No model in the store is called {name!r}; "
            + (f"there are {here}." if here else "it is empty: sned fetch gets the default base model.")
        )

    def find(self, name: str) -> Entry:
        """The whole entry that `name` means (see `locate`).

        Raises:
            UsageError: nothing, or more than one entry, is called so.
            StoreError: the entry is broken.
        """
        entry = self.locate(name)
        if isinstance(entry, BrokenEntry):
            raise StoreError(f"{entry.name} is broken: {entry.reason}; {entry.remedy}.")
        return entry

    @contextmanager
    def installing(
        self, kind: Kind, name: str, *, resumable: bool = False, waiting: Callable[[], None] | None = None
    ) -> Iterator[Installation]:
        """Holds the lock of one entry while it is made.

        Left without `commit`, the store is as before. A `resumable` installation finds its folder as the last one left
        it; any other starts with an empty one.

        Args:
            kind: which part of the store.
            name: the entry's name.
            resumable: keep what was written if the work does not end, for the next try.
            waiting: called once if another process is making the same entry, before waiting for it.

        Raises:
            UsageError: no entry may be called so.
            StoreError: the store cannot be written, or the disk is full.
        """
        _check_name(name)
        area: Area = "downloads" if resumable and kind == "submodels" else kind
        with ExitStack() as stack:
            with self._staging.writing():
                stack.enter_context(self._staging.held(kind, name, waiting or _wait_silently))
                self._staging.clean("submodels", except_for=name)
                if not resumable:
                    self._staging.leave(area, name, keep=False)
                self._staging.folder(area, name).mkdir(parents=True, exist_ok=True)
            found = self._entry(kind, name)
            try:
                yield Installation(self._staging, area, kind, name, None if isinstance(found, BrokenEntry) else found)
            except OSError as error:
                if out_of_space(error):
                    raise self._staging.full() from error
                raise
            finally:
                self._staging.leave(area, name, keep=resumable)

    def remove(self, entry: Entry | BrokenEntry) -> None:
        """Takes an entry out. A process that has its file open may read on.

        Raises:
            StoreError: it is being installed just now, or it may not be removed.
        """
        self._discard(entry.kind, entry.name, entry.directory)

    def remove_unfinished(self, name: str) -> None:
        """Drops what is there of a download that has not ended.

        Raises:
            UsageError: no entry may be called so.
            StoreError: it goes on just now, or it may not be removed.
        """
        _check_name(name)
        self._discard("bases", name, self._staging.folder("bases", name))
        self._discard("submodels", name, self._staging.folder("downloads", name))

    def verify(self, entry: Entry, moved: Callable[[int], None] | None = None) -> None:
        """Reads the whole file again; `moved` is told the bytes read so far.

        Raises:
            StoreError: size or SHA-256 are not the manifest's.
        """
        size = entry.path.stat().st_size
        digest = sha256_of(entry.path, moved)
        if (size, digest) != (entry.manifest.size, entry.manifest.sha256):
            raise StoreError(
                f"{entry.name} is damaged: {size} bytes with SHA-256 {digest[:12]}… instead of "
                f"{entry.manifest.size} with {entry.manifest.sha256[:12]}…; {entry.remedy}."
            )

    def _discard(self, kind: Kind, name: str, directory: Path) -> None:
        with self._staging.writing():
            try:
                with self._staging.held(kind, name):
                    self._staging.discard(directory)
            except Timeout:
                raise StoreError(f"{name} is being installed by another process; wait for it to end.") from None

    def _entries(self, kind: Kind) -> list[Entry | BrokenEntry]:
        try:
            return [self._read(kind, folder) for folder in folders(self.home / kind)]
        except OSError as error:
            raise StoreError(
                f"The model store at {self.home} cannot be read: {error.strerror}; change its permissions "
                "or choose another folder with SNED_HOME."
            ) from error

    def _entry(self, kind: Kind, name: str) -> Entry | BrokenEntry | None:
        if not MODEL_NAME.fullmatch(name) or not (self.home / kind / name).is_dir():
            return None
        return self._read(kind, self.home / kind / name)

    def _read(self, kind: Kind, directory: Path) -> Entry | BrokenEntry:
        """The entry; with a sub-model's own figures go those that were measured of it here."""
        entry = read_entry(kind, directory)
        if isinstance(entry, SubModelEntry) and (found := read_quality(self.home, entry.manifest.sha256)):
            quality = entry.manifest.quality | found
            return SubModelEntry(directory, entry.manifest.model_copy(update={"quality": quality}))
        return entry


def _wait_silently() -> None:
    """For callers with nobody to tell."""


def _check_name(name: str) -> None:
    if not MODEL_NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a model; use lower-case letters, digits, dots, hyphens and underscores."
        )
