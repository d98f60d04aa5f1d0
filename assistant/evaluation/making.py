"""Sub-models that are made to be measured, in a store of their own: what is newest in the user's serves editors."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from assistant.build import BuildRequest, Built, build
from assistant.build_choices import fim_tokens_of
from assistant.engine.cancellation import Cancellation
from assistant.languages import Language
from assistant.recipe import Recipe
from assistant.settings import Settings
from assistant.store import BaseEntry, Store, SubModelEntry
from assistant.submodel_file import Progress


@dataclass(frozen=True, slots=True)
class Wanted:
    """A sub-model to measure."""

    base: BaseEntry
    language: Language
    recipe: Recipe
    project: Path | None = None


class MadeModels:
    """Finds sub-models here, and builds those that are not."""

    def __init__(self, settings: Settings) -> None:
        """The user's store, and one among the evaluations."""
        self._settings = settings
        self.store = Store(settings.home / "evaluations" / "models")

    def found(self, wanted: Wanted) -> SubModelEntry | None:
        """One by the same recipe that no project's code went into: of the user's store, or made before."""
        for store in (Store(self._settings.home), self.store):
            for entry in store.submodels_for(wanted.base.manifest.sha256, wanted.language, wanted.recipe):
                if "project" not in entry.manifest.calibration.sources:
                    return entry
        return None

    def made(
        self, wanted: Wanted, progress: Progress, cancel: Cancellation, waiting: Callable[[], None] | None = None
    ) -> Built:
        """It, built unless it was before; interrupted, a build goes on where it was.

        Raises:
            BuildError: there is too little code or memory for it, or the extra `build` is not installed.
            CheckpointError, StoreError: as `build`.
            KeyboardInterrupt: it was cancelled.
        """

        def told(step: str, fraction: float) -> None:
            if cancel.is_set():
                raise KeyboardInterrupt
            progress(step, fraction)

        fim = fim_tokens_of(wanted.base, self._settings)
        request = BuildRequest(wanted.base, wanted.language, wanted.recipe, wanted.project, fim=fim)
        return build(request, self.store, told, waiting)
