"""Jobs that last until they are told to end, for a scheduler without a model."""

import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from pathlib import Path

from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Generation, ModelInfo, Prompt, Sampling, Usage
from assistant.engine.scheduler import Scheduler

LONG = 30.0


class NoModel:
    """An engine that is only opened and closed."""

    def __init__(self) -> None:
        self.info = ModelInfo("none", "none", 0, 0, 1)
        self.closed_in: threading.Thread | None = None

    @property
    def evaluated_tokens(self) -> int:
        return 0

    def count_tokens(self, text: str) -> int:
        return len(text)

    def has_token(self, special: str) -> bool:
        return False

    def generate(
        self,
        prompt: Prompt,
        sampling: Sampling,
        cancel: Cancellation | None = None,
        *,
        sequence: str = "",
        shift: bool = False,
    ) -> Generation:
        raise NotImplementedError

    def prefill(
        self, prompt: Prompt, cancel: Cancellation | None = None, *, sequence: str = "", shift: bool = False
    ) -> Usage:
        raise NotImplementedError

    def uncached_tokens(self, prompt: Prompt, *, sequence: str = "", shift: bool = False) -> int:
        raise NotImplementedError

    def save_cache(
        self,
        path: Path,
        *,
        context: str = "",
        sequences: Collection[str] | None = None,
        seconds: float = float("inf"),
    ) -> int:
        return 0

    def restore_cache(self, path: Path, *, context: str = "") -> int:
        return 0

    def close(self) -> None:
        self.closed_in = threading.current_thread()


class LongJob:
    """Runs until it is cancelled or released, as a prefill does, and then gives its name."""

    def __init__(self, name: object) -> None:
        self.name = name
        self.started = threading.Event()
        self.released = threading.Event()
        self.cancelled = False

    def __call__(self, cancel: Cancellation) -> object:
        self.started.set()
        while not self.released.is_set():
            if cancel.wait(0.001):
                self.cancelled = True
                break
        return self.name


def at_once(value: object) -> Callable[[Cancellation], object]:
    return lambda _: value


def begun(scheduler: Scheduler, key: str) -> tuple[LongJob, Future[object]]:
    """A job that runs."""
    job = LongJob(key)
    future = scheduler.submit(key, job)
    assert job.started.wait(LONG)
    return job, future
