"""What a model has evaluated of a project, kept for the next start: its KV cache, and the context it was made with."""

import hashlib
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pydantic
from pydantic_core import PydanticSerializationError

from assistant.context.saved import SavedContext
from assistant.engine.protocol import Engine
from assistant.errors import EngineError
from assistant.languages import Language
from assistant.private_file import UNFINISHED, replacing
from assistant.suggestion.spots import near_name, sequence_names

_log = logging.getLogger("sned.session")

# An editor kills a server that takes longer to end than a second or two.
_SECONDS = 1.0

# A file is 20 MB for a document or two and a model of 0.5B, and at most 128 MB.
_KEPT = 8
_KEPT_BYTES = 512 << 20
_MAX_CONTEXT_BYTES = 4 << 20
# What a killed process left is older; what another is writing is not.
_UNFINISHED_SECONDS = 3600.0

_CACHE, _CONTEXT = ".kv", ".json"


@dataclass(frozen=True, slots=True)
class WarmState:
    """What goes with a KV cache for its tokens to be those of the next run's prompts.

    Attributes:
        prefill_rate: prompt tokens a second, as measured.
        context_budget: tokens of other files' chunks in prompts.
        near_tokens: tokens of short prompts.
        context: the chunks, and where they were chosen.
    """

    prefill_rate: Annotated[float, pydantic.Field(gt=0, le=1e6)]
    context_budget: Annotated[int, pydantic.Field(ge=0, le=1 << 20)]
    near_tokens: Annotated[int, pydantic.Field(ge=0, le=1 << 20)]
    context: SavedContext


_STATE = pydantic.TypeAdapter(WarmState)


@dataclass(frozen=True, slots=True)
class Project:
    """Whose cache it is: a model's file, in a folder (None: documents of no folder), for a language's documents."""

    model: Path
    folder: Path | None
    language: Language | None


class WarmCaches:
    """The `caches` folder of a store: for the last few projects two files each, which hold source text.

    Only their owner may read them. They may be deleted at any time.
    """

    def __init__(self, home: Path) -> None:
        """The caches of the store at `home`."""
        self._folder = home / "caches"

    def save(self, project: Project, engine: Engine, state: WarmState) -> int:
        """Saves the state, and what is cached of its documents; gives how many tokens that is.

        Nothing is saved where nothing is known, and in place of nothing. To be called in the inference thread; it takes
        a second at most.

        Raises:
            EngineError: it cannot be written, or not in time.
        """
        if not state.context.documents:
            return 0
        path = self._path(project)
        try:
            data = _STATE.dump_json(state)
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            saved = engine.save_cache(
                path.with_suffix(_CACHE),
                context=hashlib.sha256(data).hexdigest(),
                sequences={
                    name
                    for document in state.context.documents
                    for name in (near_name(document.uri), *sequence_names(document.uri))
                },
                seconds=_SECONDS,
            )
            with replacing(path.with_suffix(_CONTEXT)) as file:
                file.write(data)
        except OSError as error:
            raise EngineError(f"The cache cannot be saved to {path}: {error.strerror or error}.") from error
        except PydanticSerializationError as error:  # an editor's text may have halves of surrogate pairs
            raise EngineError(f"The cache cannot be saved to {path}: {error}.") from error
        self._tidy()
        return saved

    def restore(self, project: Project, engine: Engine) -> WarmState | None:
        """What was saved of the project, with its KV cache in the engine, as far as it can be used; the log tells.

        Raises:
            EngineError: the engine is closed.
        """
        path = self._path(project)
        try:
            data = _read(path.with_suffix(_CONTEXT))
            state = _STATE.validate_json(data, strict=True)
        except FileNotFoundError:
            return None
        except (OSError, pydantic.ValidationError) as error:
            reason = error.title if isinstance(error, pydantic.ValidationError) else error.strerror or error
            _log.info("not restoring the context of %s from %s: %s", project.folder, path, reason)
            return None
        tokens = engine.restore_cache(path.with_suffix(_CACHE), context=hashlib.sha256(data).hexdigest())
        _log.info("restored %d tokens of %s", tokens, project.folder or "documents of no folder")
        return state

    def keep(self, project: Project) -> None:
        """Notes that a project was used without anything new to save."""
        for suffix in (_CACHE, _CONTEXT):
            try:
                os.utime(self._path(project).with_suffix(suffix))
            except OSError as error:
                _log.debug("the cache is not there any more: %s", error)

    def _path(self, project: Project) -> Path:
        """The files' path but for their endings."""
        model, folder, language = project.model.resolve(), project.folder, project.language
        whose = f"{model}\0{folder.resolve() if folder is not None else ''}\0{language or ''}"
        return self._folder / hashlib.sha256(whose.encode("utf-8", "surrogateescape")).hexdigest()[:32]

    def _tidy(self) -> None:
        """Deletes all but the last used, and what killed processes left."""
        caches = sorted(self._folder.glob(f"*{_CACHE}"), key=_changed, reverse=True)
        room = _KEPT_BYTES
        for number, path in enumerate(caches):
            room -= _size(path)
            if number and (number >= _KEPT or room < 0):
                path.unlink(missing_ok=True)
                path.with_suffix(_CONTEXT).unlink(missing_ok=True)
        for path in self._folder.glob(f"*{UNFINISHED}"):
            if time.time() - _changed(path) > _UNFINISHED_SECONDS:
                path.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_CONTEXT_BYTES)


def _changed(path: Path) -> float:
    """When the file was written; 0 for one that another process has deleted."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
