"""The files of the models that are measured: of the store, requantised, or built."""

import subprocess
import sys
from pathlib import Path

from plan import Dense, Model, Pruned

from assistant.engine.memory import read_shape
from assistant.engine.requantising import requantise
from assistant.languages import Language
from assistant.manifest import SubModelManifest
from assistant.recipe import Recipe
from assistant.recipe_files import recipe_called
from assistant.selection import select_model
from assistant.settings import load_settings
from assistant.store import BaseEntry, Store

# What recipes were before they had a form.
_PLAIN = {"values": "q8_0", "block": 32}


class NotHereError(Exception):
    """There is no such model; the message says why."""


def named(model: Model, given: str | None = None) -> str:
    """What `sned eval` is told, such as a name of the store or a file; `given` goes before all.

    Raises:
        NotHereError: it has to be fetched, requantised or built.
    """
    if given is not None:
        return given
    store = Store(load_settings().home)
    base = store.base(model.base)
    if base is None:
        raise NotHereError(f"{model.base} is not fetched")
    if isinstance(model, Pruned):
        recipe = recipe_called(model.recipe, model.changes)
        found = store.submodels_for(base.manifest.sha256, model.language, recipe)
        if not found:
            found = [entry for entry in store.submodels() if _alike(entry.manifest, base, model.language, recipe)]
            if not found:
                raise NotHereError("not built")
            print(f"{found[0].name} is by an earlier version of the recipe {model.recipe}, or plain", file=sys.stderr)
        return found[0].name
    if model.file_type is None:
        return base.name
    rival = _rival(base.path, model)
    if not rival.is_file():
        raise NotHereError("not made")
    return str(rival)


def _alike(manifest: SubModelManifest, base: BaseEntry, language: Language, recipe: Recipe) -> bool:
    """Whether a sub-model is by the same recipe, but for its version, for fields that this one did not have, and for
    its form, which may be plain: its row says so.
    """
    if manifest.base.sha256 != base.manifest.sha256 or manifest.language != language:
        return False
    fields, asked = {**Recipe().as_dict(), **_PLAIN, **manifest.recipe}, recipe.as_dict()
    return fields == asked | _PLAIN | {"quantisation": "Q8_0"} or fields == asked | _PLAIN or fields == asked


def is_sparse(name: str) -> bool:
    """Whether a model's file is a sparse GGUF."""
    return read_shape(select_model(load_settings(), None, name).path).sparse


def make(model: Model) -> None:
    """Requantises it, or builds it as `sned build` does in an empty project; base models have to be there.

    Raises:
        SnedError, subprocess.CalledProcessError: that cannot be done.
    """
    settings = load_settings()
    if isinstance(model, Pruned):
        project = settings.home / "evaluations" / "empty-project"
        project.mkdir(parents=True, exist_ok=True)
        asked = ["--language", model.language.value, "--recipe", model.recipe, "--base", model.base]
        asked += [word for name, value in model.changes.items() for word in (f"--{name}", str(value))]
        subprocess.run(["sned", "build", project, *asked], check=True)
    elif model.file_type is not None:
        base = Store(settings.home).base(model.base)
        assert base is not None, f"{model.base} is not fetched"
        rival = _rival(base.path, model)
        rival.parent.mkdir(parents=True, exist_ok=True)
        requantise(base.path, model.file_type, rival)


def _rival(base: Path, model: Dense) -> Path:
    """Where it is kept, besides what is measured of it."""
    return load_settings().home / "evaluations" / "rivals" / f"{model.base}-{model.file_type}.gguf"
