"""Ctrl-C while native code works."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from typing import TypeVar

from assistant.engine.cancellation import Cancellation

Result = TypeVar("Result")

_POLL_SECONDS = 0.1


def interruptible(work: Callable[[Cancellation], Result]) -> Result:
    """The result of `work`, done in another thread: the main thread hears Ctrl-C only while it runs no native code.

    Raises:
        KeyboardInterrupt: the user pressed Ctrl-C; the work has been cancelled and has ended.
    """
    cancel = Cancellation()
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(work, cancel)
        try:
            while True:
                try:
                    # On Windows a wait without an end cannot be interrupted.
                    return future.result(timeout=_POLL_SECONDS)
                except StillRunning:
                    if future.done():
                        raise
        except KeyboardInterrupt:
            cancel.set()
            raise
