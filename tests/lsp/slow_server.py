"""The server on an engine whose speed and faults a test chooses: for what is about timing, not about suggestions.

Run it as `python -m tests.lsp.slow_server SECONDS_A_PIECE [FAULT [OPTION...]]`, with options of `sned lsp`; generations
are told on standard error, but for two faults that are none: `quiet`, and `answering`, with which nothing is computed
ahead either.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import assistant.open_models
import assistant.session
import assistant.sessions
import lsp.start
from assistant.cli.app import main
from assistant.engine.cancellation import Cancellation
from assistant.engine.memory import ModelShape
from assistant.engine.protocol import ModelInfo, Prompt, Sampling, StopReason, Usage
from assistant.selection import Selection
from assistant.settings import Settings
from lsp.server import SnedServer
from tests.engines import ModellessEngine

PIECES = 40


class SlowEngine(ModellessEngine):
    """Writes a sum, a piece at a time; `fault` is when it fails: `once`, `always`, or never for others."""

    failed = 0

    def __init__(self, seconds: float, fault: str) -> None:
        template = "{{ messages[0].content }}{{ messages[1].content }}"
        super().__init__(ModelInfo("slow", "slow", 1, 1, 4096, chat_template=template))
        self._seconds = seconds
        self._fault = fault

    def count_tokens(self, text: str) -> int:
        return len(text) // 3

    def has_token(self, special: str) -> bool:
        return True

    def generate(
        self, prompt: Prompt, sampling: Sampling, cancel: Cancellation | None = None, **_: Any
    ) -> "SlowGeneration":
        if self._fault == "always" or (self._fault == "once" and not SlowEngine.failed):
            SlowEngine.failed += 1
            raise RuntimeError("the engine's thread was killed")
        return SlowGeneration(self._seconds, cancel or Cancellation(), told=self._fault not in ("quiet", "answering"))


class SlowGeneration:
    def __init__(self, seconds: float, cancel: Cancellation, *, told: bool) -> None:
        self._seconds = seconds
        self._told = told
        self._cancel = cancel
        self._stop = StopReason.END_TOKEN
        self._pieces = 0

    def __iter__(self) -> Iterator[str]:
        self._tell("began")
        for number in range(PIECES):
            if self._seconds:  # a sleep of nothing still waits for its turn
                time.sleep(self._seconds)
            if self._cancel.is_set():
                self._stop = StopReason.CANCELLED
                self._tell("cancelled")
                return
            self._pieces += 1
            yield f"+ {number} " if number else "0 "

    def close(self) -> None:
        if self._stop is not StopReason.CANCELLED:  # to its end, or until its time was over
            self._tell("ended")

    def _tell(self, what: str) -> None:
        if self._told:
            print(what, file=sys.stderr, flush=True)

    @property
    def usage(self) -> Usage:
        return Usage(10, 0, self._pieces, self._pieces, 0.1, 0.1, self._stop)


def text(server: SnedServer, uri: str) -> str | None:
    """What the server holds of a document, for a test to compare."""
    view = server.view(uri)
    return view.document.source if view is not None else None


def create_server(settings: Settings) -> SnedServer:
    server = real_create_server(settings)
    server.command("test.text")(text)
    return server


if __name__ == "__main__":
    seconds, fault = float(sys.argv[1]), (sys.argv[2:] or ["never"])[0]
    assistant.sessions.select_model = lambda *_: Selection(Path("slow.gguf"), "slow")
    assistant.open_models.open_model = lambda *_: SlowEngine(seconds, fault)
    assistant.open_models.read_shape = lambda _: ModelShape("slow", 1, 1)
    if fault == "answering":
        assistant.session.Session.look_ahead = assistant.session.Session._prepare = lambda *_: None
    real_create_server = lsp.start.create_server
    lsp.start.create_server = create_server
    sys.exit(main(["lsp", *sys.argv[3:]]))
