"""How far a model has read a long prompt, on one line of the terminal that is gone when the answer begins."""

import sys

from assistant.chat.reading import Reading

_BAR = 20


class ReadingLine:
    """Writes to standard error; nothing where that is no terminal."""

    def __init__(self, *, silent: bool = False) -> None:
        """Nothing is shown yet, and never if `silent`."""
        self.shows = not silent and sys.stderr.isatty()
        self._width = 0

    def hear(self, reading: Reading) -> None:
        """Shows how far it is."""
        if not self.shows:
            return
        filled = _BAR * reading.done // max(reading.total, 1)
        bar = f"{'#' * filled}{'.' * (_BAR - filled)}"
        line = f"sned: reading {bar} {reading.done:,} of {reading.total:,} tokens"
        self._write(line.ljust(self._width))
        self._width = len(line)

    def clear(self) -> None:
        """Takes the line away."""
        if self._width:
            self._write(" " * self._width + "\r")
            self._width = 0

    def _write(self, text: str) -> None:
        sys.stderr.write(f"\r{text}")
        sys.stderr.flush()
