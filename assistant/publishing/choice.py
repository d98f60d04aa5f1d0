"""Which of what is published serves a project."""

from dataclasses import dataclass

from assistant.catalog import Catalog
from assistant.languages import Language
from assistant.publishing.index import Index, Publication
from assistant.recipe import RECIPE_VERSION, Recipe
from assistant.selection import base_called
from assistant.settings import Settings
from assistant.store import Store, SubModelEntry


@dataclass(frozen=True, slots=True)
class Need:
    """What a project needs: a sub-model for its language, cut from the base model in use.

    Attributes:
        language: the project's.
        base: the base model's name.
        base_sha256: that of its file; None where neither store nor catalog tells.
    """

    language: Language
    base: str
    base_sha256: str | None

    @classmethod
    def of(cls, settings: Settings, catalog: Catalog, store: Store, language: Language) -> "Need":
        """The need of a project in that language, with the base model that the settings name."""
        name = base_called(catalog, store, settings.base)
        here, known = store.base(name), catalog.get(name)
        digest = here.manifest.sha256 if here is not None else known.sha256 if known is not None else None
        return cls(language, name, digest)

    def best(self, index: Index) -> Publication | None:
        """What serves it best: by the recipe of `sned build` if there is any, and of several the one published last."""
        serving = [each for each in index.publications if self._is_served_by(each)]
        usual = [each for each in serving if _is_usual(each)]
        return next(reversed(usual or serving), None)

    def fetched(self, store: Store) -> SubModelEntry | None:
        """What serves it and was fetched, if anything was; of several the one fetched last."""
        serving = [
            entry
            for entry in store.submodels()
            if entry.manifest.provenance is not None
            and entry.manifest.language == self.language
            and entry.manifest.base.name == self.base
            and self.base_sha256 in (None, entry.manifest.base.sha256)
        ]
        return max(serving, key=lambda entry: entry.path.stat().st_mtime_ns, default=None)

    def _is_served_by(self, publication: Publication) -> bool:
        manifest = publication.manifest
        return (
            manifest.language == self.language
            and manifest.base.name == self.base
            and self.base_sha256 in (None, manifest.base.sha256)
        )


def fetched_instead(store: Store, base_sha256: str, language: Language, recipe: Recipe) -> SubModelEntry | None:
    """The sub-model that was fetched last of those that fit base, language and recipe, if any was."""
    fitting = store.submodels_for(base_sha256, language, recipe)
    return next((entry for entry in fitting if entry.manifest.provenance is not None), None)


def _is_usual(publication: Publication) -> bool:
    manifest = publication.manifest
    return manifest.recipe == Recipe().as_dict() and manifest.recipe_version == RECIPE_VERSION
