"""A model that answers what it is told to, as fast as it is told to: for tests of what is on the screen."""

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from threading import Event

from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import ModelInfo, Prompt, Sampling, StopReason, Usage
from assistant.engine.scheduler import Scheduler
from assistant.errors import SnedError, UsageError
from assistant.open_models import OpenModel
from assistant.selection import Selection
from tests.engines import ModellessEngine
from tui.backend import ModelRow, Needed

TEMPLATE = "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}<|assistant|>"


class FakeGeneration:
    """Pieces of the engine's next answer, with its pauses."""

    def __init__(self, engine: "FakeEngine", prompt: Prompt, sampling: Sampling, cancel: Cancellation) -> None:
        self._engine, self._cancel = engine, cancel
        self._tokens = sum(engine.count_tokens(part.text) for part in prompt.segments)
        self._limit = sampling.max_tokens
        self._written, self._reason = 0, StopReason.CALLER

    def __iter__(self) -> Iterator[str]:
        answer = self._engine.answers.popleft() if self._engine.answers else "I know nothing more."
        if isinstance(answer, Exception):
            raise answer
        pieces = [answer] if isinstance(answer, str) and not self._engine.pause else answer
        if isinstance(pieces, str):
            words = pieces.split(" ")
            pieces = [word + " " * (place < len(words) - 1) for place, word in enumerate(words)]
        for piece in pieces:
            if self._engine.pause:
                self._cancel.wait(self._engine.pause)
            if self._cancel.is_set():
                self._reason = StopReason.CANCELLED
                return
            if self._written >= self._limit:
                self._reason = StopReason.LIMIT
                return
            self._written += 1
            yield piece
        self._reason = StopReason.END_TOKEN

    def close(self) -> None:
        """Nothing is left to be done."""

    @property
    def usage(self) -> Usage:
        return Usage(self._tokens, 0, self._written, self._written, 0.5, max(self._written, 1) / 25, self._reason)


class FakeEngine(ModellessEngine):
    """An engine whose answers are `answers`, a piece every `pause` seconds; a token is four characters."""

    def __init__(self, name: str = "fake-0.5b", context: int = 4096) -> None:
        super().__init__(ModelInfo(name, "fake", 1, 1, context, chat_template=TEMPLATE))
        self.answers: deque[str | list[str] | Exception] = deque()
        self.pause = 0.0
        self.prompts: list[str] = []
        self.samplings: list[Sampling] = []
        self.read_step = 0.0
        self.closed = False

    def count_tokens(self, text: str) -> int:
        return (len(text) + 3) // 4

    def generate(
        self,
        prompt: Prompt,
        sampling: Sampling,
        cancel: Cancellation | None = None,
        *,
        sequence: str = "",
        shift: bool = False,
    ) -> FakeGeneration:
        self.prompts.append("".join(part.text for part in prompt.segments))
        self.samplings.append(sampling)
        return FakeGeneration(self, prompt, sampling, cancel or Cancellation())

    def prefill(
        self, prompt: Prompt, cancel: Cancellation | None = None, *, sequence: str = "", shift: bool = False
    ) -> Usage:
        if cancel is not None:
            cancel.wait(self.read_step)
        else:
            time.sleep(self.read_step)
        return Usage(1, 0, 0, 0, self.read_step, 0.0, StopReason.CALLER)

    def uncached_tokens(self, prompt: Prompt, *, sequence: str = "", shift: bool = False) -> int:
        return max(1, sum(self.count_tokens(part.text) for part in prompt.segments)) if self.read_step else 1

    def close(self) -> None:
        self.closed = True


class FakeBackend:
    """Models that are fakes, and a history in a file, or in memory."""

    def __init__(self, engine: FakeEngine | None = None, history_path: Path | None = None) -> None:
        self.engine = engine or FakeEngine()
        self.history_path = history_path
        self.missing: Needed | None = None
        self.failure: SnedError | None = None
        self.may_load = Event()
        self.may_load.set()
        self.may_begin = Event()
        self.may_begin.set()
        self.opened: list[str | None] = []
        self._models: dict[str, OpenModel] = {}

    def __call__(self, project: Path) -> "FakeBackend":
        self.may_begin.wait()
        return self

    def needed(self) -> Needed | None:
        return self.missing

    def open(self, name: str | None) -> OpenModel:
        self.may_load.wait()
        self.opened.append(name)
        if self.failure is not None:
            raise self.failure
        if name not in {None, *(row.name for row in self.models())}:
            raise UsageError(f"There is no model {name}; sned models list names those that are here.")
        name = name or self.engine.info.name
        if name not in self._models:
            engine = self.engine if name == self.engine.info.name else FakeEngine(name)
            selection = Selection(Path(f"/models/{name}.gguf"), name)
            self._models[name] = OpenModel(selection, engine, Scheduler(engine), 1)
        return self._models[name]

    def models(self) -> list[ModelRow]:
        return [
            ModelRow(self.engine.info.name, "", 491_000_000, None, False, 1.0),
            ModelRow("fake-python-50", "Python", 600_000_000, 0.5, True, 1.374),
            ModelRow("fake-rust-50", "Rust", 600_000_000, 0.5, False),
        ]

    def close(self) -> None:
        for model in self._models.values():
            model.scheduler.close()
