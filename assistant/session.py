"""Suggestions for one language in one folder: its model, opened when first needed, and what is known of its files."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from assistant.context.builder import ContextBuilder
from assistant.engine.cancellation import Cancellation
from assistant.engine.futures import detached
from assistant.errors import EngineError
from assistant.fim import find_fim_tokens
from assistant.languages import Language
from assistant.open_models import OpenModel, OpenModels
from assistant.selection import Selection
from assistant.suggestion.pace import Pace
from assistant.suggestion.suggester import Suggester
from assistant.suggestion.types import Buffer, NoSuggestion, Suggestion, SuggestionOptions, SuggestionRequest
from assistant.warm_cache import Project, WarmCaches, WarmState

_log = logging.getLogger("sned.session")

# A model that could not be opened is not tried again at every keystroke.
_RETRY_SECONDS = 5.0
# Who has not typed for so long is reading or thinking.
_STILL_SECONDS = 2.0
# Before a model is there to count: what source code takes on average.
_CHARACTERS_PER_TOKEN = 3


@dataclass(frozen=True, slots=True)
class _Opened:
    """A model with the suggester on it, and the pace that it works at."""

    model: OpenModel
    suggester: Suggester
    pace: Pace


class Session:
    """Suggestions for one language in one folder. Methods return at once, and may be called from any thread."""

    def __init__(
        self,
        root: Path | None,
        language: Language | None,
        choose: Callable[[], Selection],
        models: OpenModels,
        caches: WarmCaches | None = None,
    ) -> None:
        """A session whose model `choose` gives; nothing is opened yet. `root` is the folder that gives context.

        What is evaluated of its documents' prompts is kept in `caches` from one run to the next.
        """
        self.root = root
        self.language = language
        self._options = SuggestionOptions()
        self._choose = choose
        self._models = models
        self._caches = caches
        self._context = ContextBuilder(root, self._count_tokens)
        self._opener = ThreadPoolExecutor(1, thread_name_prefix="sned-open")
        self._opening: Future[_Opened] | None = None
        self._failed_at = 0.0
        self._opened: _Opened | None = None
        self._newest: dict[str, int] = {}  # versions of documents
        self._lock = Lock()

    @property
    def selection(self) -> Selection | None:
        """The model that is open; None before that."""
        return self._opened.model.selection if self._opened is not None else None

    @property
    def is_open(self) -> bool:
        """Whether suggestions can be computed without opening a model first."""
        return self._opened is not None and not self._opened.model.closed

    @property
    def evaluated_tokens(self) -> int:
        """Tokens the open model has evaluated since it was opened, for all sessions that share it; 0 without one."""
        return self._opened.model.engine.evaluated_tokens if self._opened is not None else 0

    def open(self) -> Future[_Opened]:
        """Opens the model in the background, if it is not open; the future has the errors of choosing and loading."""
        with self._lock:
            if self._opening is None or self._is_stale(self._opening):
                self._opening = self._opener.submit(self._open)
            return self._opening

    def suggest(self, request: SuggestionRequest) -> Future[Suggestion | NoSuggestion]:
        """A suggestion, computed in the model's thread; the model has to be open.

        A newer request for the same document ends the computation, unless what was typed since is what the model
        writes: then it is finished, and answers the newer one. The same holds when the future is cancelled.
        """
        opened = self._opened
        assert opened is not None, "a suggestion was asked for before the model was opened"
        self._models.used(opened.model)
        computing = opened.model.scheduler.submit(
            request.buffer.uri,
            lambda cancel: opened.suggester.suggest(request, cancel),
            opened.suggester.earlier(request),
        )
        answer = detached(computing, lambda: self._abandon(opened, request, computing))
        # The answer is on its way before that.
        computing.add_done_callback(lambda ended: self._prepare(opened, request, ended))
        return answer

    def from_cache(self, request: SuggestionRequest) -> Suggestion | None:
        """A suggestion known from earlier ones, without the model."""
        return self._opened.suggester.from_cache(request) if self._opened is not None else None

    def look_ahead(self, request: SuggestionRequest, suggestion: Suggestion) -> None:
        """Computes, once nothing else is to do, what comes after a suggestion that is being shown."""
        opened = self._opened
        if opened is not None and not opened.model.closed and not opened.suggester.is_ahead(request, suggestion):
            opened.model.scheduler.idle(
                request.buffer.uri, lambda cancel: opened.suggester.ahead(request, suggestion, cancel)
            )

    def read_ahead(self, buffer: Buffer) -> None:
        """Reads what a document that was opened uses of other files, once the model is open and nothing else to do."""
        opened = self._opened
        if opened is not None and not opened.model.closed:
            opened.model.scheduler.idle(
                _opening(buffer.uri), lambda cancel: self._read(opened, buffer, cancel), _STILL_SECONDS
            )

    def cancel(self, uri: str) -> None:
        """Stops computing for a document."""
        if (opened := self._opened) is not None and not opened.model.closed:
            opened.model.scheduler.cancel(uri)
            opened.model.scheduler.cancel(_preparing(uri))
            opened.model.scheduler.cancel(_settling(uri))

    def document_opened(self, buffer: Buffer) -> None:
        """Takes note of a document for the context of others."""
        self._newest[buffer.uri] = buffer.version
        self._context.opened(buffer)

    def document_edited(self, buffer: Buffer, offset: int) -> None:
        """Takes note of a change at `offset`, which stops what is computed for a text that is no more."""
        self._newest[buffer.uri] = buffer.version
        if (opened := self._opened) is not None:
            opened.suggester.document_edited(buffer)
        self._context.edited(buffer, offset)

    def document_closed(self, uri: str) -> None:
        """Takes note that the user has closed a document."""
        self._newest.pop(uri, None)
        self.cancel(uri)
        if (opened := self._opened) is not None:
            opened.model.scheduler.cancel(_opening(uri))
        self._context.closed(uri)

    def use_options(self, options: SuggestionOptions) -> None:
        """Takes new options for suggestions."""
        if options != self._options:
            self._options = options
            if (opened := self._opened) is not None:
                self._opened = self._with_suggester(opened.model, opened.pace)

    def restart(self) -> None:
        """Closes the model, which others may share; the next request opens it again, or the one that is then chosen."""
        with self._lock:
            opened, self._opened, self._opening = self._opened, None, None
        if opened is not None:
            self._opener.submit(self._models.close, opened.model)  # in the opener's turn: before it is opened again

    def close(self) -> None:
        """Waits for an opening to end; the models belong to `OpenModels`."""
        self._opener.shutdown(wait=True, cancel_futures=True)
        self._context.close()

    def _abandon(
        self, opened: _Opened, request: SuggestionRequest, computing: Future[Suggestion | NoSuggestion]
    ) -> None:
        """Nobody waits for a suggestion any more: it is computed to its end only if typing has come between."""
        unchanged = self._newest.get(request.buffer.uri, request.buffer.version) == request.buffer.version
        if unchanged or not opened.suggester.is_underway(request):
            computing.cancel()

    def _prepare(self, opened: _Opened, request: SuggestionRequest, ended: Future[Suggestion | NoSuggestion]) -> None:
        """Once a suggestion was computed and the user pauses, evaluates all of its place's prompt."""
        if ended.cancelled() or ended.exception() is not None or opened.model.closed:
            return
        opened.model.scheduler.idle(
            _preparing(request.buffer.uri),
            lambda cancel: opened.suggester.prepare(request, cancel),
            opened.suggester.pause(request),
        )
        opened.model.scheduler.idle(
            _settling(request.buffer.uri), lambda cancel: opened.suggester.settle(request, cancel), _STILL_SECONDS
        )

    def _read(self, opened: _Opened, buffer: Buffer, cancel: Cancellation) -> None:
        done = self._context.has_looked(buffer) and opened.suggester.open(buffer, cancel)
        if not done and buffer.uri in self._newest:  # not closed meanwhile
            self.read_ahead(buffer)

    def _is_stale(self, opening: Future[_Opened]) -> bool:
        if not opening.done():
            return False
        if opening.cancelled() or opening.exception() is not None:
            return time.monotonic() - self._failed_at > _RETRY_SECONDS
        return opening.result().model.closed

    def _open(self) -> _Opened:
        try:
            selection = self._choose()
            model = self._models.get(selection)
            self._opened = opened = self._with_suggester(model, Pace())
        except Exception:
            self._failed_at = time.monotonic()
            raise
        if self._caches is not None:
            # In the model's thread, in front of the first suggestion.
            restored = model.scheduler.submit(f"restore {id(self)}", lambda _cancel: self._restore(opened))
            restored.add_done_callback(_log_failure)
        return opened

    def _with_suggester(self, model: OpenModel, pace: Pace) -> _Opened:
        fim = find_fim_tokens(model.engine, model.selection.fim)
        return _Opened(model, Suggester(model.engine, fim, self._context, self._options, pace), pace)

    def _restore(self, opened: _Opened) -> None:
        """Goes on from what an earlier run has saved, and has this one's saved when the model is closed."""
        assert self._caches is not None
        model, pace = opened.model, opened.pace
        project = Project(model.selection.path, self.root, self.language)
        state = self._caches.restore(project, model.engine)
        if state is not None:
            pace.prefill_rate = pace.usual_rate = state.prefill_rate
            pace.context_budget, pace.near_tokens = state.context_budget, state.near_tokens
            self._context.restore(state.context)
        before = model.engine.evaluated_tokens
        model.before_closing.append(lambda: self._save(project, opened, before))

    def _save(self, project: Project, opened: _Opened, evaluated_before: int) -> None:
        assert self._caches is not None
        engine, pace = opened.model.engine, opened.pace
        try:
            if engine.evaluated_tokens == evaluated_before:
                self._caches.keep(project)
            else:
                state = WarmState(pace.usual_rate, pace.context_budget, pace.near_tokens, self._context.saved())
                self._caches.save(project, engine, state)
        except EngineError as error:
            _log.warning("%s", error)

    def _count_tokens(self, text: str) -> int:
        if self._opened is None:
            return len(text) // _CHARACTERS_PER_TOKEN
        return self._opened.model.engine.count_tokens(text)


def _preparing(uri: str) -> str:
    """The scheduler's key of a document's work ahead, which goes on beside its suggestions."""
    return f"{uri} prepare"


def _opening(uri: str) -> str:
    """The same of what is done once a document is opened."""
    return f"{uri} open"


def _log_failure(ended: Future[None]) -> None:
    if not ended.cancelled() and (error := ended.exception()) is not None:
        _log.error("the cache could not be restored", exc_info=error)


def _settling(uri: str) -> str:
    """The same of what is done once the user has stopped typing."""
    return f"{uri} settle"
