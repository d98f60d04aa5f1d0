"""Models that are loaded: one of each file, the least recently used closed where they exceed a budget of memory."""

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import psutil

from assistant.engine.memory import read_shape
from assistant.engine.protocol import Engine
from assistant.engine.scheduler import Scheduler
from assistant.selection import Selection, open_model
from assistant.settings import Settings

_log = logging.getLogger("sned.session")


@dataclass(slots=True)
class OpenModel:
    """A loaded model.

    Attributes:
        selection: what was opened.
        engine: what runs it.
        scheduler: its one inference thread, which frees the engine when it is closed.
        memory: bytes it takes, by its file's header.
        closed: whether it has been closed since.
        before_closing: what its users want done in its thread before it is freed.
    """

    selection: Selection
    engine: Engine
    scheduler: Scheduler
    memory: int
    closed: bool = False
    before_closing: list[Callable[[], None]] = field(default_factory=list)

    def close(self) -> None:
        """Stops what it computes, does what is to be done before, and frees it."""
        self.closed = True
        self.scheduler.close(self._last)

    def _last(self) -> None:
        for each in self.before_closing:
            each()


class OpenModels:
    """The loaded models of this process; usable from any thread."""

    def __init__(self, settings: Settings, budget: int | None = None) -> None:
        """None yet; `budget` bytes they may take together, half of the machine's memory by default."""
        self.budget = budget or psutil.virtual_memory().total // 2
        self._settings = settings
        self._models: OrderedDict[Path, OpenModel] = OrderedDict()  # least recently used first
        self._lock = Lock()

    def get(self, selection: Selection) -> OpenModel:
        """The selected model, opened if it is not; that may close others. One model is opened whatever it takes.

        Raises:
            EngineError: it cannot be loaded.
        """
        with self._lock:
            model = self._models.get(selection.path)
            if model is None:
                memory = read_shape(selection.path).memory(self._settings.context)
                self._make_room(memory)
                engine = open_model(selection, self._settings)
                model = OpenModel(selection, engine, Scheduler(engine), memory)
                self._models[selection.path] = model
            self._models.move_to_end(selection.path)
            return model

    def used(self, model: OpenModel) -> None:
        """Notes that a model is in use, so that others are closed first."""
        if self._lock.acquire(blocking=False):  # while another is opened, which takes seconds, the order can wait
            try:
                if model.selection.path in self._models:
                    self._models.move_to_end(model.selection.path)
            finally:
                self._lock.release()

    def close(self, model: OpenModel | None = None) -> None:
        """Closes a model, or all."""
        with self._lock:
            for path, each in list(self._models.items()):
                if model is None or each is model:
                    del self._models[path]
                    each.close()

    def _make_room(self, memory: int) -> None:
        while self._models and memory + sum(each.memory for each in self._models.values()) > self.budget:
            _, model = self._models.popitem(last=False)
            _log.info("closing %s to make room in memory", model.selection.name)
            model.close()
