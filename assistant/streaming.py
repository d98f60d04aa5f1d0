"""Cutting a completion while it is generated: what comes after the cut is never decoded."""

import time
from collections.abc import Callable, Sequence

from assistant.engine.protocol import Generation, StopReason
from assistant.filters import Cut, Site
from assistant.finishing import Ending
from assistant.repetition import cut_loop

_ENDINGS = {
    StopReason.END_TOKEN: Ending.END_TOKEN,
    StopReason.LIMIT: Ending.TOKEN_LIMIT,
    StopReason.CONTEXT_FULL: Ending.CONTEXT_FULL,
    StopReason.CANCELLED: Ending.CANCELLED,
}


class Stream:
    """Text as it is generated, until a cut applies or the time is over.

    Attributes:
        text: what there is, cut.
        ending: why it ended.
        first_piece_at: when the first text came, by `time.perf_counter`; None before.
    """

    def __init__(
        self,
        cuts: Sequence[tuple[Ending, Cut]],
        site: Site,
        max_seconds: float | None = None,
        heard: Callable[[str], None] | None = None,
    ) -> None:
        """Nothing yet; `max_seconds` count from the first text, `heard` is called with all that there is of it."""
        self.text = ""
        self.ending = Ending.END_TOKEN
        self.first_piece_at: float | None = None
        self._cuts = cuts
        self._site = site
        self._max_seconds = max_seconds
        self._heard = heard

    def read(self, generation: Generation) -> None:
        """Takes pieces until the completion has ended; the generation is left for the caller to close."""
        for piece in generation:
            if self.first_piece_at is None:
                self.first_piece_at = time.perf_counter()
            self.text += piece
            if self._heard is not None:
                self._heard(self.text)
            if "\n" in piece and self._cut(self.text[: self.text.rfind("\n") + 1]):
                return
            if self._cut_loop():
                return
            if self._max_seconds is not None and time.perf_counter() - self.first_piece_at >= self._max_seconds:
                self._end(Ending.TIME_LIMIT)
                return
        self._end(_ENDINGS[generation.usage.stop_reason])

    def _end(self, ending: Ending) -> None:
        """Cuts what there is, its last line as if it were whole."""
        self.ending = ending
        kept, cut_by = self._least(self.text + "\n")
        if len(kept.removesuffix("\n")) < len(self.text):
            self.text, self.ending = kept.removesuffix("\n"), cut_by

    def _cut(self, lines: str) -> bool:
        """Applies the cut that leaves the least of these whole lines, if one leaves less than all."""
        kept, ending = self._least(lines)
        if len(kept) == len(lines):
            return False
        self.text, self.ending = kept, ending
        return True

    def _cut_loop(self) -> bool:
        """Cuts a loop off the unfinished line, where nothing else would end it before the time is over."""
        kept = cut_loop(self.text, self._site)
        if len(kept) == len(self.text):
            return False
        self.text, self.ending = kept, Ending.LOOP
        return True

    def _least(self, lines: str) -> tuple[str, Ending]:
        return min(((cut(lines, self._site), ending) for ending, cut in self._cuts), key=lambda each: len(each[0]))
