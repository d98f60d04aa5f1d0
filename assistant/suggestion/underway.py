"""A suggestion that is being computed while the user types on: whether it is still for the text there is now."""

from assistant.engine.cancellation import Cancellation
from assistant.suggestion.closing import closers_of, without_closers
from assistant.suggestion.types import Buffer, SuggestionRequest


class Underway:
    """A suggestion that the model is writing. Usable from any thread.

    Typing what the model is about to write makes it no worse: it is finished, and what is left of it is shown. Only
    when the one contradicts the other it is stopped.
    """

    def __init__(self, request: SuggestionRequest, cancel: Cancellation, *, ahead: bool = False) -> None:
        """Nothing is written yet; setting `cancel` stops the writing. `ahead` of a request, for a text yet to come."""
        self.request = request
        self.ahead = ahead
        self._cancel = cancel
        self._written = ""
        self._typed = ""

    @property
    def begun(self) -> bool:
        """Whether there is text; before that, a prompt is evaluated."""
        return bool(self._written)

    def wrote(self, text: str) -> None:
        """Takes note of all that is written so far, and stops if something else was typed."""
        self._written = text
        self._stop_if_contradicted()

    def follow(self, buffer: Buffer, offset: int | None = None) -> bool:
        """Whether the suggestion is still for a document as it is now: as it was, or with its beginning typed.

        Brackets that an editor closes by itself behind the cursor, which is at `offset`, are no hindrance. If something
        else was typed than the model writes, it is stopped.
        """
        typed = self._typed_in(buffer, offset)
        if typed is None:
            return False
        self._typed = typed
        return not self._stop_if_contradicted()

    @property
    def stopped(self) -> bool:
        """Whether it has been stopped."""
        return self._cancel.is_set()

    def stop(self) -> None:
        """Stops it at once."""
        self._cancel.set()

    def shares_prompt(self, buffer: Buffer) -> bool:
        """Whether what is evaluated for it is of use at a place before its own on the line, where text was deleted."""
        before, after = self.request.before, self.request.after
        if buffer.uri != self.request.buffer.uri or not buffer.text.endswith(after):
            return False
        now = buffer.text[: len(buffer.text) - len(after)]
        return before.startswith(now) and "\n" not in before[len(now) :]

    def _typed_in(self, buffer: Buffer, offset: int | None) -> str | None:
        """What was typed at the suggestion's place; None if anything else has changed."""
        begin, after = self.request.offset, self.request.after
        end = len(buffer.text) - len(after)
        if (
            buffer.uri != self.request.buffer.uri
            or end < begin
            or not begin <= (end if offset is None else offset) <= end
        ):
            return None
        if not (buffer.text.startswith(self.request.before) and buffer.text.endswith(after)):
            return None
        between = buffer.text[begin:end]
        if offset is None:
            typed = without_closers(between)
        else:
            typed = buffer.text[begin:offset]
            if between[len(typed) :] not in {"", closers_of(typed)}:
                return None
        return typed.replace("\r\n", "\n")

    def _stop_if_contradicted(self) -> bool:
        # Either thread comes here after it has set its own text: one of them sees both.
        written, typed = self._written, self._typed
        contradicted = not (written.startswith(typed) or typed.startswith(written))
        if contradicted:
            self._cancel.set()
        return contradicted
