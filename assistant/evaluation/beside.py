"""Results that are finished beside the writing: while a program is run, the model writes the next texts."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from assistant.evaluation.journal import Result

_PROGRAMS_AT_ONCE = 2


def keep_beside(unfinished: Iterable[Callable[[], Result]], keep: Callable[[Result], None]) -> None:
    """Calls each of `unfinished` in a thread, while the next one is waited for, and `keep` in this one as results come.

    What ends the iteration ends this, too, once what has come by then is kept.
    """
    running: list[Future[Result]] = []

    def keep_what_is_done() -> None:
        for each in [each for each in running if each.done()]:
            running.remove(each)
            keep(each.result())

    with ThreadPoolExecutor(_PROGRAMS_AT_ONCE) as pool:
        try:
            for finish in unfinished:
                running.append(pool.submit(finish))
                keep_what_is_done()
        finally:
            wait(running)
            keep_what_is_done()
