"""The sessions of an editor's window, one for each folder and language, on models they share."""

from pathlib import Path

from assistant.languages import Language
from assistant.open_models import OpenModel, OpenModels
from assistant.selection import select_model
from assistant.session import Session
from assistant.settings import Settings
from assistant.suggestion.types import SuggestionOptions
from assistant.warm_cache import WarmCaches


class Sessions:
    """The sessions of an editor's window, one for each folder and language, on models they share."""

    def __init__(self, settings: Settings) -> None:
        """None yet."""
        self.models = OpenModels(settings)
        self._settings = settings
        self._model_name: str | None = None
        self._options = SuggestionOptions()
        self._sessions: dict[tuple[Path | None, Language | None], Session] = {}

    def of(self, folder: Path | None, language: Language | None) -> Session:
        """The session of a language in a folder, with no model opened if it is new."""
        key = (folder, language)
        if key not in self._sessions:
            session = Session(
                folder,
                language,
                lambda: select_model(self._settings, language, self._model_name),
                self.models,
                WarmCaches(self._settings.home) if self._settings.save_cache else None,
            )
            session.use_options(self._options)
            self._sessions[key] = session
        return self._sessions[key]

    def all(self) -> list[Session]:
        """The sessions there are."""
        return list(self._sessions.values())

    def use_model(self, name: str | None) -> str | None:
        """Takes the model called `name` from now on, for all; None chooses by language again. Its full name comes back.

        Raises:
            UsageError: there is no such model.
            StoreError: it is broken, or the store cannot be read.
        """
        chosen = select_model(self._settings, None, name).name if name is not None else None
        if name != self._model_name:
            self._model_name = name
            for session in self.all():
                session.restart()
        return chosen

    def chat_model(self, language: Language | None, name: str | None) -> OpenModel:
        """The model that answers questions: the one called `name`, or the one that completes a language.

        Blocks while it is opened; usable from any thread.

        Raises:
            UsageError: there is no such model.
            StoreError: it is broken, or the store cannot be read.
            EngineError: it cannot be loaded.
        """
        return self.models.get(select_model(self._settings, language, name or self._model_name))

    def use_options(self, options: SuggestionOptions) -> None:
        """Takes new options for suggestions, for all."""
        self._options = options
        for session in self.all():
            session.use_options(options)

    def close(self) -> None:
        """Ends all sessions and frees the models."""
        for session in self.all():
            session.close()
        self.models.close()
