"""One thread that runs a model: jobs in turn, a newer in place of an older, idle ones when nothing else is to do."""

import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from enum import Enum
from threading import Condition, Thread, current_thread
from typing import Any, TypeVar

from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine
from assistant.errors import EngineError

_log = logging.getLogger("sned.engine")

T = TypeVar("T")


class Earlier(Enum):
    """What becomes of a key's running job when a newer one is submitted."""

    STOP = "it is cancelled and stops at once"
    STOP_SOFTLY = "it is cancelled and stops after what it evaluates at that moment"
    GO_ON = "it goes on, and the newer one runs after it"


class Scheduler:
    """The one thread in which an engine's jobs run. Methods return at once and may be called from any thread.

    A future ends with what its job returned or raised, or is cancelled: by a newer job of the same key, by `cancel`, by
    `close`, or by its holder. Whichever it is, a running job's `Cancellation` is set. A job that goes on nevertheless
    delays the next, but for a patient one, which lets others run in between (`give_way`).
    """

    def __init__(self, engine: Engine) -> None:
        """Starts the thread, which owns the engine from now on: `close` frees it."""
        self._engine = engine
        self._changed = Condition()
        self._waiting: dict[str, _Job] = {}  # in order of arrival
        self._idle: dict[str, _Job] = {}
        self._running: list[_Job] = []  # patient ones, and last the one they give way to
        self._closed = False
        self._last: Callable[[], None] | None = None
        self._thread = Thread(target=self._work, name=f"sned-{engine.info.name}", daemon=True)
        self._thread.start()

    def submit(
        self,
        key: str,
        job: Callable[[Cancellation], T],
        earlier: Earlier = Earlier.STOP,
        *,
        patient: bool = False,
    ) -> Future[T]:
        """Runs `job` after those waiting; what its key has waiting is cancelled, what it has running as `earlier` says.

        A `patient` job never runs within another. Once the scheduler is closed, the future fails with an EngineError.
        """
        new = _Job(key, job, patient=patient)
        with self._changed:
            stale = [self._waiting.pop(key, None), self._idle.pop(key, None)]
            running = tuple(self._running)
            if not self._closed:
                self._waiting[key] = new
                self._changed.notify()
        for each in running:
            if each.key == key and earlier is not Earlier.GO_ON:
                each.stop(softly=earlier is Earlier.STOP_SOFTLY)
            elif each.key != key and each.idle:
                each.stop()
        _drop(stale)
        return self._accepted(new)

    def idle(self, key: str, job: Callable[[Cancellation], T], after: float = 0.0) -> Future[T]:
        """Runs `job` when nothing submitted waits or runs; any submission cancels it for good once it runs.

        It does not begin before `after` seconds from now.

        It takes the place of the key's idle job, waiting or running, and leaves a submitted one alone.
        """
        new = _Job(key, job, idle=True, after=after)
        with self._changed:
            stale = [self._idle.pop(key, None)]
            running = tuple(self._running)
            if not self._closed:
                self._idle[key] = new
                self._changed.notify()
        for each in running:
            if each.idle and each.key == key:
                each.stop()
        _drop(stale)
        return self._accepted(new)

    def cancel(self, key: str) -> None:
        """Cancels all that the key has waiting, idle or running."""
        with self._changed:
            stale = [self._waiting.pop(key, None), self._idle.pop(key, None)]
            running = tuple(self._running)
        for each in running:
            if each.key == key:
                each.stop()
        _drop(stale)

    def give_way(self) -> None:
        """For a running patient job, where it could be put off: runs what was submitted and is not patient itself.

        Raises:
            RuntimeError: another thread than the scheduler's calls it.
        """
        if current_thread() is not self._thread:
            raise RuntimeError("only a running job can give way")
        while (job := self._next_urgent()) is not None:
            job.perform()
            self._ended(job)

    def close(self, last: Callable[[], None] | None = None) -> None:
        """Cancels everything, runs `last` in the thread, and frees the engine; returns when all of that is done.

        What `last` raises is logged. Closed again, it only waits.
        """
        with self._changed:
            if not self._closed:
                self._last = last
            self._closed = True
            stale = [*self._waiting.values(), *self._idle.values()]
            self._waiting.clear()
            self._idle.clear()
            running = tuple(self._running)
            self._changed.notify()
        for each in running:
            each.stop()
        _drop(stale)
        if current_thread() is not self._thread:
            self._thread.join()

    def _accepted(self, job: "_Job") -> Future[Any]:
        if self._closed and job.future.set_running_or_notify_cancel():
            job.future.set_exception(EngineError("The model has been closed; open it again."))
        return job.future

    def _work(self) -> None:
        while (job := self._next()) is not None:
            job.perform()
            self._ended(job)
        try:
            if self._last is not None:
                self._last()
        except Exception:  # noqa: BLE001 - the engine has to be freed whatever it is
            _log.exception("the last job of %s failed", self._engine.info.name)
        finally:
            self._engine.close()

    def _next(self) -> "_Job | None":
        """The next job, once there is one; None when closed."""
        with self._changed:
            while not self._closed:
                if self._waiting:
                    return self._begun(self._waiting, next(iter(self._waiting)))
                now = time.monotonic()
                if (due := next((job for job in self._idle.values() if job.due <= now), None)) is not None:
                    return self._begun(self._idle, due.key)
                self._changed.wait(min((job.due - now for job in self._idle.values()), default=None))
            return None

    def _next_urgent(self) -> "_Job | None":
        """The next that a patient job gives way to; None if none waits."""
        with self._changed:
            key = next((job.key for job in self._waiting.values() if not job.patient), None)
            return self._begun(self._waiting, key) if key is not None else None

    def _begun(self, queue: "dict[str, _Job]", key: str) -> "_Job":
        self._running.append(queue.pop(key))
        return self._running[-1]

    def _ended(self, job: "_Job") -> None:
        with self._changed:
            self._running.remove(job)


class _Job:
    """A job with its future, which stays pending while it runs: so it can be cancelled until its result is there."""

    def __init__(
        self,
        key: str,
        function: Callable[[Cancellation], Any],
        *,
        idle: bool = False,
        patient: bool = False,
        after: float = 0.0,
    ) -> None:
        self.key = key
        self.idle = idle
        self.patient = patient
        self.due = time.monotonic() + after
        self.future: Future[Any] = Future()
        self._function = function
        self._cancel = Cancellation()
        self._softly = False
        self.future.add_done_callback(self._stop_if_cancelled)

    def stop(self, *, softly: bool = False) -> None:
        """Cancels the future, and so the computation; nothing if it has ended."""
        self._softly = softly
        if self.future.cancel() and not softly:
            self._cancel.set()  # also if it was stopped softly before

    def perform(self) -> None:
        """Runs the job in this thread and gives the future what comes of it."""
        if self._cancel.is_set():
            self.future.set_running_or_notify_cancel()
            return
        try:
            result = self._function(self._cancel)
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
            if self.future.set_running_or_notify_cancel():
                self.future.set_exception(error)
            else:
                _log.debug("a cancelled job for %s failed", self.key, exc_info=error)
        else:
            if self.future.set_running_or_notify_cancel():
                self.future.set_result(result)

    def _stop_if_cancelled(self, future: Future[Any]) -> None:
        if future.cancelled():
            if self._softly:
                self._cancel.set_softly()
            else:
                self._cancel.set()


def _drop(jobs: "Iterable[_Job | None]") -> None:
    """Cancels jobs that were taken out of a queue, outside the lock: futures call back into foreign code."""
    for job in jobs:
        if job is not None and job.future.cancel():
            job.future.set_running_or_notify_cancel()  # who waits with concurrent.futures.wait is told only now
