"""Jobs that last until they are told to end, for a scheduler without a model."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import ModelInfo
from assistant.engine.scheduler import Scheduler
from tests.engines import ModellessEngine

LONG = 30.0


class NoModel(ModellessEngine):
    """An engine that is only opened and closed."""

    def __init__(self) -> None:
        super().__init__(ModelInfo("none", "none", 0, 0, 1))
        self.closed_in: threading.Thread | None = None

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
