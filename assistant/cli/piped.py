"""What is piped in, read to its end: who waits for it is told so."""

import sys
from threading import Timer

# A pipe that something is written to has it by then, and who waits at a terminal has not yet given up.
_SECONDS = 2.0
_WAITING = "sned: waiting for the end of standard input; < /dev/null gives none."


def read_piped() -> bytes | None:
    """The bytes of standard input; None where that is a terminal, or there is none.

    Programs that start others often leave a pipe open that nothing is written to: a line on standard error says what
    is waited for.
    """
    if sys.stdin is None or sys.stdin.isatty():
        return None
    notice = Timer(_SECONDS, lambda: print(_WAITING, file=sys.stderr, flush=True))
    notice.daemon = True
    notice.start()
    try:
        return sys.stdin.buffer.read()
    finally:
        notice.cancel()
