"""What the chat needs of the rest of the program: its models, and where things are kept."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from assistant.languages import Language
    from assistant.open_models import OpenModel


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model as the picker shows it.

    Attributes:
        name: the model's.
        language: the language it was pruned for, in words; empty for a base model.
        size: bytes of its file.
        sparsity: fraction of zeros in the pruned matrices; None for a base model.
        default: whether it is the one chosen without a name.
        perplexity_ratio: its perplexity on code that it was not calibrated on, over its base model's; None where that
            was not measured.
    """

    name: str
    language: str
    size: int
    sparsity: float | None
    default: bool
    perplexity_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Needed:
    """A model that is not here yet, and how it is got.

    Attributes:
        question: a sentence that says so.
        action: what is offered, in a word or two.
        arguments: of the `sned` command that gets it.
        blocking: whether nothing can be answered before.
    """

    question: str
    action: str
    arguments: tuple[str, ...]
    blocking: bool


class Backend(Protocol):
    """The rest of the program, for the chat; methods may block, and are called from any thread."""

    @property
    def history_path(self) -> Path | None:
        """Where sessions are kept; None keeps them in memory."""
        ...

    def needed(self) -> Needed | None:
        """The model that is missing for the project, if any."""
        ...

    def open(self, name: str | None) -> "OpenModel":
        """The model called `name`, or the project's, loaded.

        Raises:
            SnedError: it cannot be chosen or loaded.
        """
        ...

    def models(self) -> list[ModelRow]:
        """The models that are here."""
        ...

    def close(self) -> None:
        """Frees the models."""
        ...


MakeBackend = Callable[[Path], Backend]


class LocalBackend:
    """The models of this machine."""

    def __init__(self, project: Path) -> None:
        """Reads the settings; the project's language is found when it is first needed.

        Raises:
            UsageError: the settings are not usable.
        """
        from assistant.sessions import Sessions
        from assistant.settings import load_settings

        self._project = project
        self._settings = load_settings()
        self._sessions = Sessions(self._settings)
        self._language: tuple[Language | None] | None = None

    @property
    def history_path(self) -> Path:
        """Where sessions are kept."""
        return self._settings.home / "chat" / "history.sqlite3"

    def language(self) -> "Language | None":
        """The project's language, if sub-models are made for it."""
        if self._language is None:
            from assistant.detection import detect

            self._language = (detect(self._project).submodel_language,)
        return self._language[0]

    def needed(self) -> Needed | None:
        """The base model if it is missing, else the sub-model of the project's language."""
        from assistant.catalog import load_catalog
        from assistant.selection import newest_submodel
        from assistant.store import Store

        settings, catalog, language = self._settings, load_catalog(self._settings.catalog), self.language()
        model = catalog.default if settings.base is None else catalog.find(settings.base)
        store = Store(settings.home)
        base = store.base(model.name)
        if language is not None and newest_submodel(store, base, model.name, language) is not None:
            return None
        if base is None and settings.published and language is not None:
            question = f"There is no {language.label} sub-model here yet; it may be published."
            return Needed(
                question, "Fetch it, or else the base model", ("fetch", "--project", str(self._project)), blocking=True
            )
        if base is None:
            question = f"The base model {model.name} is not here yet ({model.size / 1e6:,.0f} MB)."
            return Needed(question, "Fetch it", ("fetch", model.name), blocking=True)
        if language is None:
            return None
        question = f"There is no sub-model for {language.label} yet; the base model answers meanwhile."
        if settings.published:
            question += f" /fetch --language {language.value} looks for one that is published;"
        arguments = ("build", str(self._project), "--language", language.value)
        return Needed(question, "Build it", arguments, blocking=False)

    def open(self, name: str | None) -> "OpenModel":
        """The model called `name`, or the project's, loaded.

        Raises:
            SnedError: it cannot be chosen or loaded.
        """
        return self._sessions.chat_model(self.language() if name is None else None, name)

    def models(self) -> list[ModelRow]:
        """The base models and sub-models of the store."""
        from assistant.manifest import PERPLEXITY_RATIO
        from assistant.selection import select_model
        from assistant.store import Store

        store = Store(self._settings.home)
        try:
            default = select_model(self._settings, self.language(), None).name
        except Exception:  # noqa: BLE001 - nothing is chosen then, and the list is still a list
            default = ""
        rows = [ModelRow(base.name, "", base.manifest.size, None, base.name == default, 1.0) for base in store.bases()]
        for made in store.submodels():
            zeros = made.manifest.sparsity.values()
            rows.append(
                ModelRow(
                    made.name,
                    made.manifest.language.label,
                    made.manifest.size,
                    sum(zeros) / len(zeros) if zeros else None,
                    made.name == default,
                    made.manifest.quality.get(PERPLEXITY_RATIO),
                )
            )
        return rows

    def close(self) -> None:
        """Frees the models."""
        self._sessions.close()
