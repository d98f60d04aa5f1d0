"""The llama.cpp library: loaded so that it shares the machine, and what it says kept for when something fails."""

import logging
import os
from typing import Any

# Threads that wait for each other do so a thousand times a token, mostly for microseconds. Those that spin as long as
# OpenMP lets them collapse beside other work on the same cores, as there always is in an editor; those that sleep at
# once pay a system call each time. With a short spin first, decoding is half as fast again where there is no other
# work, and a little slower beside it (benchmarks/waiting.py). The library reads this once, when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "200")

import llama_cpp

__all__ = ["capture_log", "first_error", "forget_errors", "llama_cpp"]

_ERROR_LEVEL = 4  # ggml.h: DEBUG 1, INFO 2, WARN 3, ERROR 4, CONT 5
_LEVELS = {1: logging.DEBUG, 2: logging.DEBUG, 3: logging.DEBUG, 4: logging.INFO}
_CONTINUED = 5

logger = logging.getLogger("sned.llama")
_errors: list[str] = []
_callback: Any = None  # native code calls it for the rest of the process
_last_level = 0


def capture_log() -> None:
    """Takes llama.cpp's log lines from standard error to the logger `sned.llama`, which is silent unless asked for."""
    global _callback  # noqa: PLW0603
    if _callback is None:
        _callback = llama_cpp.llama_log_callback(_receive)
        llama_cpp.llama_log_set(_callback, None)


def forget_errors() -> None:
    """Begins anew, so that `first_error` tells of what comes."""
    _errors.clear()


def first_error() -> str:
    """The first error llama.cpp gave since `forget_errors`: the cause, as later ones only say what failed with it."""
    return _errors[0] if _errors else ""


def _receive(level: int, text: bytes, _: object) -> None:
    global _last_level  # noqa: PLW0603
    if level != _CONTINUED:
        _last_level = level
    line = text.decode("utf-8", errors="replace").strip()
    if not line or line == ".":
        return
    if _last_level == _ERROR_LEVEL:
        _errors.append(line)
    logger.log(_LEVELS.get(_last_level, logging.DEBUG), "%s", line)
