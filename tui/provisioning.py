"""Fetching and building models: in a process of its own, whose progress is told, and which can be stopped."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Sequence

_SNED = (sys.executable, "-c", "import sys; from assistant.cli.app import main; sys.exit(main())")


class Provisioning:
    """A run of `sned fetch` or `sned build`."""

    def __init__(self, arguments: Sequence[str], hear: Callable[[str, float | None], None]) -> None:
        """`hear` is told what is being done and how far it is, 0 to 1, or None where that is not known."""
        self._arguments = arguments
        self._hear = hear
        self._process: Process | None = None
        self._stopped = False

    async def run(self) -> str | None:
        """Runs it to its end: None comes back when the model is here, else why it is not; empty when stopped."""
        command = (*_SNED, *self._arguments, "--json", "--progress", "json")
        self._process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
        assert self._process.stderr is not None
        last_words = ""
        try:
            async for line in self._process.stderr:
                last_words = self._told(line.decode(errors="replace").strip()) or last_words
        finally:
            if self._process.returncode is None and self._stopped:
                self._process.kill()
        status = await self._process.wait()
        if self._stopped:
            return ""
        return None if status == 0 else last_words.removeprefix("sned: ") or f"It ended with status {status}."

    async def stop(self) -> None:
        """Stops it; what was fetched stays, what was built half is not seen."""
        self._stopped = True
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()

    def _told(self, line: str) -> str:
        """Tells what a line says; gives the line when it is no progress."""
        try:
            told = json.loads(line)
            self._hear(str(told["message"]), told["fraction"])
        except (ValueError, KeyError, TypeError):
            return line
        return ""
