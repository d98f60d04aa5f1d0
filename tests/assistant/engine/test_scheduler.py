"""The inference thread, with jobs that last until they are told to end."""

import ctypes
import threading
import time
from concurrent.futures import ALL_COMPLETED, CancelledError, Future, wait

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from assistant.engine.cancellation import Cancellation
from assistant.engine.scheduler import Earlier, Scheduler
from assistant.errors import EngineError
from tests.assistant.engine.jobs import LONG, LongJob, NoModel, at_once, begun


def test_a_job_s_result_comes_from_the_one_thread(scheduler: Scheduler) -> None:
    threads = {scheduler.submit(key, lambda _: threading.current_thread()).result(LONG) for key in "abc"}
    assert len(threads) == 1
    assert threading.current_thread() not in threads


def test_jobs_of_different_keys_run_in_order_of_arrival(scheduler: Scheduler) -> None:
    first, _ = begun(scheduler, "first")
    ran: list[str] = []
    futures = [scheduler.submit(key, lambda _, key=key: ran.append(key)) for key in "cab"]
    first.released.set()
    wait(futures, LONG)
    assert ran == ["c", "a", "b"]


def test_a_newer_job_cancels_the_running_one(scheduler: Scheduler) -> None:
    older, future = begun(scheduler, "a")
    assert scheduler.submit("a", at_once("newer")).result(LONG) == "newer"
    assert older.cancelled
    with pytest.raises(CancelledError):
        future.result(LONG)


def test_a_newer_job_takes_the_place_of_a_waiting_one(scheduler: Scheduler) -> None:
    first, _ = begun(scheduler, "a")
    waiting = LongJob("waiting")
    dropped = scheduler.submit("b", waiting)
    newer = scheduler.submit("b", at_once("newer"))
    assert dropped.cancelled()
    assert wait([dropped], LONG).done  # concurrent.futures.wait hears of it too
    first.released.set()
    assert newer.result(LONG) == "newer"
    assert not waiting.started.is_set()


def test_other_keys_leave_a_running_job_alone(scheduler: Scheduler) -> None:
    job, future = begun(scheduler, "a")
    other = scheduler.submit("b", at_once("b"))
    scheduler.cancel("b")
    assert other.cancelled()
    job.released.set()
    assert future.result(LONG) == "a"


def test_cancel_stops_what_runs_and_what_waits(scheduler: Scheduler) -> None:
    job, future = begun(scheduler, "a")
    idle = scheduler.idle("a", at_once("idle"))
    scheduler.cancel("a")
    assert future.cancelled()
    assert idle.cancelled()
    assert scheduler.submit("b", at_once("b")).result(LONG) == "b"
    assert job.cancelled
    scheduler.cancel("never heard of")


def test_cancelling_a_future_stops_its_job(scheduler: Scheduler) -> None:
    job, future = begun(scheduler, "a")
    waiting = scheduler.submit("b", at_once("b"))
    assert future.cancel()
    assert waiting.result(LONG) == "b"
    assert job.cancelled


def test_a_waiting_future_that_its_holder_cancels_never_runs(scheduler: Scheduler) -> None:
    first, _ = begun(scheduler, "a")
    waiting = LongJob("b")
    future = scheduler.submit("b", waiting)
    future.cancel()
    first.released.set()
    assert scheduler.submit("c", at_once("c")).result(LONG) == "c"
    assert not waiting.started.is_set()
    assert wait([future], LONG).done


def test_errors_go_to_the_future_and_the_thread_goes_on(scheduler: Scheduler) -> None:
    def fail(_: Cancellation) -> None:
        raise EngineError("broken")

    def leave(_: Cancellation) -> None:
        raise SystemExit(3)

    with pytest.raises(EngineError, match="broken"):
        scheduler.submit("a", fail).result(LONG)
    with pytest.raises(SystemExit):
        scheduler.submit("a", leave).result(LONG)
    assert scheduler.submit("a", at_once("a")).result(LONG) == "a"


def test_idle_jobs_run_after_everything_submitted(scheduler: Scheduler) -> None:
    first, _ = begun(scheduler, "a")
    ran: list[str] = []
    idle = scheduler.idle("b", lambda _: ran.append("idle"))
    submitted = scheduler.submit("c", lambda _: ran.append("submitted"))
    first.released.set()
    wait([idle, submitted], LONG)
    assert ran == ["submitted", "idle"]


def test_a_submission_cancels_a_running_idle_job_of_any_key(scheduler: Scheduler) -> None:
    job = LongJob("idle")
    idle = scheduler.idle("a", job)
    assert job.started.wait(LONG)
    assert scheduler.submit("b", at_once("b")).result(LONG) == "b"
    assert idle.cancelled()
    assert job.cancelled


def test_an_idle_job_replaces_the_key_s_idle_job_and_not_its_submitted_one(scheduler: Scheduler) -> None:
    first, future = begun(scheduler, "a")
    older = scheduler.idle("a", at_once("older"))
    newer = scheduler.idle("a", at_once("newer"))
    assert older.cancelled()
    first.released.set()
    assert (future.result(LONG), newer.result(LONG)) == ("a", "newer")


def test_closing_cancels_all_and_frees_the_engine_in_the_thread() -> None:
    engine = NoModel()
    scheduler = Scheduler(engine)
    thread = scheduler.submit("a", lambda _: threading.current_thread()).result(LONG)
    job, running = begun(scheduler, "a")
    futures = [running, scheduler.submit("b", at_once("b")), scheduler.idle("c", at_once("c"))]
    scheduler.close()
    scheduler.close()
    assert job.cancelled
    assert all(future.cancelled() for future in futures)
    assert engine.closed_in is thread
    for late in (scheduler.submit("a", at_once("late")), scheduler.idle("a", at_once("late"))):
        with pytest.raises(EngineError, match="closed"):
            late.result(0)


def test_the_last_job_runs_in_the_thread_before_the_engine_is_freed() -> None:
    engine = NoModel()
    scheduler = Scheduler(engine)
    running, future = begun(scheduler, "a")
    ran: list[tuple[threading.Thread, bool]] = []
    scheduler.close(lambda: ran.append((threading.current_thread(), engine.closed_in is None)))
    assert ran == [(engine.closed_in, True)]
    assert running.cancelled
    assert future.cancelled()
    scheduler.close(ran.clear)
    assert len(ran) == 1


def test_a_last_job_that_fails_is_logged_and_the_engine_freed(caplog: pytest.LogCaptureFixture) -> None:
    engine = NoModel()

    def fail() -> None:
        raise OSError("disk gone")

    Scheduler(engine).close(fail)
    assert engine.closed_in is not None
    assert "disk gone" in caplog.text


def test_a_job_may_close_the_scheduler() -> None:
    engine = NoModel()
    scheduler = Scheduler(engine)
    future = scheduler.submit("a", lambda _: scheduler.close())
    with pytest.raises(CancelledError):
        future.result(LONG)
    scheduler.close()
    assert engine.closed_in is not None


def test_ten_thousand_jobs_from_four_threads_all_end(scheduler: Scheduler) -> None:
    futures: list[Future[object]] = []

    def hurry(key: str) -> None:
        futures.extend(scheduler.submit(key, at_once(number)) for number in range(2500))

    threads = [threading.Thread(target=hurry, args=(key,)) for key in "aabb"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert not wait(futures, LONG, ALL_COMPLETED).not_done
    assert len(futures) == 10_000


class Traffic(RuleBasedStateMachine):
    """Jobs that last until released, submitted and cancelled at random: every future ends as the rules say."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = NoModel()
        self.scheduler = Scheduler(self.engine)
        self.jobs: list[tuple[str, bool, LongJob, Future[object]]] = []
        self.latest: dict[str, Future[object]] = {}

    @rule(key=st.sampled_from("abc"))
    def submit(self, key: str) -> None:
        idle_before = [(job, future) for _, idle, job, future in self.jobs if idle and job.started.is_set()]
        same_key = [future for other, _, _, future in self.jobs if other == key]
        job = LongJob(len(self.jobs))
        future = self.scheduler.submit(key, job)
        self.jobs.append((key, False, job, future))
        self.latest[key] = future
        assert all(older.done() for older in same_key)
        assert all(older.done() for _, older in idle_before)

    @rule(key=st.sampled_from("abc"))
    def idle(self, key: str) -> None:
        job = LongJob(len(self.jobs))
        self.jobs.append((key, True, job, self.scheduler.idle(key, job)))

    @rule(key=st.sampled_from("abc"))
    def cancel(self, key: str) -> None:
        self.scheduler.cancel(key)
        self.latest.pop(key, None)
        assert all(future.done() for other, _, _, future in self.jobs if other == key)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel_a_future(self, data: st.DataObject) -> None:
        key, _, _, future = data.draw(st.sampled_from(self.jobs))
        if future.cancel() and self.latest.get(key) is future:
            del self.latest[key]

    @rule()
    def release_what_runs(self) -> None:
        pending = [(job, future) for _, _, job, future in self.jobs if not future.done()]
        if pending:
            deadline = time.monotonic() + LONG
            while not (running := [(j, f) for j, f in pending if j.started.is_set() and not f.done()]):
                assert time.monotonic() < deadline, "nothing runs though jobs wait"
                time.sleep(0.0005)
            for job, future in running:
                job.released.set()
                assert future.result(LONG) == job.name

    @invariant()
    def at_most_one_runs_and_no_idle_job_before_a_submitted_one(self) -> None:
        running = [idle for _, idle, job, future in self.jobs if job.started.is_set() and not future.done()]
        assert len(running) <= 1
        if running == [True]:
            assert all(idle or future.done() for _, idle, _, future in self.jobs)

    def teardown(self) -> None:
        for _, _, job, _ in self.jobs:
            job.released.set()
        assert not wait(self.latest.values(), LONG).not_done
        assert not any(future.cancelled() for future in self.latest.values())
        self.scheduler.close()
        assert not wait([future for _, _, _, future in self.jobs], LONG).not_done
        assert self.engine.closed_in is not None


Traffic.TestCase.settings = settings(deadline=None, max_examples=50, stateful_step_count=30)
TestTraffic = Traffic.TestCase


def test_a_running_job_can_be_let_go_on_with_the_newer_one_after_it(scheduler: Scheduler) -> None:
    older, older_future = begun(scheduler, "document")
    newer = scheduler.submit("document", at_once("newer"), Earlier.GO_ON)
    assert not newer.done()
    older.released.set()
    assert (older_future.result(LONG), newer.result(LONG)) == ("document", "newer")
    assert not older.cancelled


def test_a_job_stopped_softly_is_told_but_native_code_goes_on(scheduler: Scheduler) -> None:
    seen: list[tuple[bool, bytes]] = []
    started = threading.Event()

    def job(cancel: Cancellation) -> None:
        started.set()
        cancel.wait(LONG)
        seen.append((cancel.is_set(), ctypes.string_at(cancel.address)))

    older = scheduler.submit("document", job)
    assert started.wait(LONG)
    assert scheduler.submit("document", at_once("newer"), Earlier.STOP_SOFTLY).result(LONG) == "newer"
    assert older.cancelled()
    assert seen == [(True, b"")]


def test_a_job_stopped_softly_can_still_be_stopped_at_once(scheduler: Scheduler) -> None:
    started, stopped = threading.Event(), threading.Event()

    def job(cancel: Cancellation) -> None:
        started.set()
        while ctypes.string_at(cancel.address) == b"":
            time.sleep(0.001)
        stopped.set()

    scheduler.submit("document", job)
    assert started.wait(LONG)
    scheduler.submit("document", at_once("newer"), Earlier.STOP_SOFTLY)
    scheduler.cancel("document")
    assert stopped.wait(LONG)


def test_other_documents_idle_work_gives_way_whatever_becomes_of_the_earlier(scheduler: Scheduler) -> None:
    job = LongJob("ahead")
    ahead = scheduler.idle("one", job)
    assert job.started.wait(LONG)
    assert scheduler.submit("other", at_once("newer"), Earlier.GO_ON).result(LONG) == "newer"
    assert ahead.cancelled()


def test_idle_work_can_be_put_off(scheduler: Scheduler) -> None:
    began = time.monotonic()
    later = scheduler.idle("later", lambda _: time.monotonic(), after=0.3)
    assert scheduler.idle("now", at_once("now")).result(LONG) == "now"
    assert not later.done()
    assert later.result(LONG) - began >= 0.3


def test_what_was_put_off_is_put_off_again_by_its_key(scheduler: Scheduler) -> None:
    first = scheduler.idle("document", at_once("first"), after=0.2)
    second = scheduler.idle("document", lambda _: time.monotonic(), after=0.4)
    began = time.monotonic()
    assert second.result(LONG) - began >= 0.3
    assert first.cancelled()
