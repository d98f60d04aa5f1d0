"""Futures that stand for another one."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def detached(future: Future[T], abandon: Callable[[], None]) -> Future[T]:
    """A future with the same outcome; cancelling it calls `abandon`, which decides whether the other is cancelled."""
    outer: Future[T] = Future()
    outer.add_done_callback(lambda ended: abandon() if ended.cancelled() else None)

    def settle(ended: Future[T]) -> None:
        if ended.cancelled():
            if outer.cancel():
                outer.set_running_or_notify_cancel()
        elif outer.set_running_or_notify_cancel():
            error = ended.exception()
            if error is not None:
                outer.set_exception(error)
            else:
                outer.set_result(ended.result())

    future.add_done_callback(settle)
    return outer
