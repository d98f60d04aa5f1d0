"""Patient jobs, between whose parts others run."""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future

import pytest

from assistant.engine.cancellation import Cancellation
from assistant.engine.scheduler import Scheduler
from assistant.errors import EngineError
from tests.assistant.engine.jobs import LONG, LongJob, NoModel, at_once


class Chat:
    """A patient job that gives way each time it is told to, until it is cancelled or told to end."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._go_on = threading.Semaphore(0)
        self._end = False
        self.future: Future[str] = scheduler.submit("chat", self._job, patient=True)

    def give_way(self) -> None:
        self._go_on.release()

    def end(self) -> str:
        self._end = True
        self._go_on.release()
        return self.future.result(LONG)

    def _job(self, cancel: Cancellation) -> str:
        while not cancel.is_set() and not self._end:
            if self._go_on.acquire(timeout=0.01):
                self._scheduler.give_way()
        return "answered"


def thread_of(_: Cancellation) -> threading.Thread:
    return threading.current_thread()


def test_what_is_submitted_runs_between_the_parts_of_a_patient_job(scheduler: Scheduler) -> None:
    chat = Chat(scheduler)
    suggestion = scheduler.submit("document", thread_of)
    assert not suggestion.done()
    chat.give_way()
    thread = suggestion.result(LONG)
    assert not chat.future.done()
    assert chat.end() == "answered"
    assert scheduler.submit("document", thread_of).result(LONG) is thread


def test_patient_and_idle_jobs_run_after_it(scheduler: Scheduler) -> None:
    ran: list[str] = []
    chat = Chat(scheduler)

    def run(name: str) -> Callable[[Cancellation], None]:
        return lambda _: ran.append(name)

    idle = scheduler.idle("idle", run("idle"))
    other = scheduler.submit("other chat", run("other chat"), patient=True)
    urgent = scheduler.submit("document", run("urgent"))
    chat.give_way()
    urgent.result(LONG)
    assert ran == ["urgent"]
    chat.end()
    idle.result(LONG)
    assert other.result(LONG) is None
    assert ran == ["urgent", "other chat", "idle"]


def test_a_newer_job_stops_the_one_that_is_given_way_to_and_not_the_patient_one(scheduler: Scheduler) -> None:
    chat, older = Chat(scheduler), LongJob("older")
    stopped = scheduler.submit("document", older)
    chat.give_way()
    assert older.started.wait(LONG)
    assert scheduler.submit("document", at_once("newer")).result(LONG) == "newer"
    assert older.cancelled
    with pytest.raises(CancelledError):
        stopped.result(LONG)
    assert chat.end() == "answered"


def test_a_patient_job_is_cancelled_while_it_gives_way(scheduler: Scheduler) -> None:
    chat, suggestion = Chat(scheduler), LongJob("suggestion")
    future = scheduler.submit("document", suggestion)
    chat.give_way()
    assert suggestion.started.wait(LONG)
    scheduler.cancel("chat")
    assert chat.future.cancelled()
    suggestion.released.set()
    assert future.result(LONG) == "suggestion"
    assert not suggestion.cancelled
    assert scheduler.submit("next", at_once("next")).result(LONG) == "next"


def test_closing_stops_both() -> None:
    engine = NoModel()
    scheduler = Scheduler(engine)
    chat, suggestion = Chat(scheduler), LongJob("suggestion")
    scheduler.submit("document", suggestion)
    chat.give_way()
    assert suggestion.started.wait(LONG)
    scheduler.close()
    assert suggestion.cancelled
    assert chat.future.cancelled()
    assert engine.closed_in is not None


def test_an_error_of_the_other_is_the_other_s(scheduler: Scheduler) -> None:
    def fail(_: Cancellation) -> None:
        raise EngineError("broken")

    chat, failing = Chat(scheduler), scheduler.submit("document", fail)
    chat.give_way()
    with pytest.raises(EngineError, match="broken"):
        failing.result(LONG)
    assert chat.end() == "answered"


def test_only_a_job_can_give_way(scheduler: Scheduler) -> None:
    with pytest.raises(RuntimeError, match="running job"):
        scheduler.give_way()
