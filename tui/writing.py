"""An answer that is being written in the model's thread, as the screen asks for it."""

import time
from concurrent.futures import CancelledError
from threading import Lock
from typing import TYPE_CHECKING

from assistant.chat.types import ChatOptions, Conversation, Reply
from assistant.chat.visible import visible
from assistant.errors import SnedError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from assistant.chat.reading import Reading
    from assistant.engine.cancellation import Cancellation
    from assistant.open_models import OpenModel


class Writing:
    """A running answer. The screen takes what is new at its own pace: however fast the model is, keys come first.

    Attributes:
        reading: how far the prompt is read; None before the model has begun, and where that takes no time.
        tokens: pieces written so far.
    """

    def __init__(self, model: "OpenModel", conversation: Conversation, options: ChatOptions, sequence: str) -> None:
        """Has the model answer; `sequence` names the conversation in its cache."""
        self.reading: Reading | None = None
        self.tokens = 0
        self._text = ""
        self._new: list[str] = []
        self._lock = Lock()
        self._stopped = False
        self._first: float | None = None
        self._last = 0.0
        self._asked = (model, conversation, options, sequence)
        self._future: Future[Reply] = model.scheduler.submit(sequence, self._job)

    @property
    def text(self) -> str:
        """All that was taken, as the model wrote it."""
        return self._text

    @property
    def rate(self) -> float:
        """Tokens a second since the first; 0 before there are two."""
        if self._first is None or self.tokens < 2:
            return 0.0
        return (self.tokens - 1) / max(self._last - self._first, 1e-9)

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self._stopped or self._future.done()

    def take(self) -> str:
        """What was written since, without what would steer a terminal."""
        with self._lock:
            new = "".join(self._new)
            self._new.clear()
            if new.endswith("\r") and not self.ended:  # half of a line end, perhaps
                self._new.append("\r")
                new = new[:-1]
        self._text += new
        return visible(new)

    def stop(self) -> None:
        """Stops prefill or writing at once; what was written is kept."""
        self._stopped = True
        self._future.cancel()

    def reply(self) -> Reply | None:
        """The whole answer, once it has ended; None when it was stopped.

        Raises:
            SnedError: it failed; the message says why.
        """
        if self._stopped:
            return None
        try:
            return self._future.result(timeout=0)
        except CancelledError:
            return None
        except SnedError:
            raise
        except Exception as error:
            raise SnedError(
                f"The engine failed ({type(error).__name__}: {error}); choose the model again with /model."
            ) from error

    def _job(self, cancel: "Cancellation") -> Reply:
        from assistant.chat.chat import Chat

        model, conversation, options, sequence = self._asked
        chat = Chat(model.engine, self._hear_reading)
        return chat.reply(conversation, options, cancel, sequence=sequence, hear=self._hear)

    def _hear_reading(self, reading: "Reading") -> None:
        self.reading = reading

    def _hear(self, piece: str) -> None:
        now = time.monotonic()
        with self._lock:
            if self._stopped:
                return
            self._first = self._first or now
            self._last = now
            self.tokens += 1
            self._new.append(piece)
