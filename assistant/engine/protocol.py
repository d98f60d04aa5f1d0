"""What the program asks of a model, whoever runs it: editor, chat and HTTP server depend on this alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from threading import Event
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a prompt: text, or the name of one special token such as `<|fim_prefix|>`."""

    text: str
    special: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model continues.

    Attributes:
        segments: the prompt in order. Special tokens are only ever taken from segments marked so: text that happens to
            spell one is text.
        healed: the end of the last segment may be cut inside a token; the engine takes white space and the last token
            off, and lets the model write them again under the constraint that it begins with what was taken off. The
            generated text given back starts after it.
    """

    segments: tuple[Segment, ...]
    healed: bool = False


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen, and how many at most. A temperature of 0 is greedy, and deterministic."""

    max_tokens: int = 128
    temperature: float = 0.0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    seed: int = 0


class StopReason(StrEnum):
    """Why a generation ended."""

    END_TOKEN = "end-token"  # noqa: S105
    LIMIT = "limit"
    CONTEXT_FULL = "context-full"
    CANCELLED = "cancelled"
    CALLER = "caller"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a generation cost: token counts, and seconds of prefill and decoding."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    prefill_seconds: float
    decode_seconds: float
    stop_reason: StopReason

    @property
    def prefill_rate(self) -> float:
        """Prompt tokens evaluated a second; 0 when all came from the cache."""
        evaluated = self.prompt_tokens - self.cached_tokens
        return evaluated / self.prefill_seconds if evaluated and self.prefill_seconds else 0.0

    @property
    def decode_rate(self) -> float:
        """Tokens generated a second."""
        return self.completion_tokens / self.decode_seconds if self.decode_seconds else 0.0


class Generation(Protocol):
    """A running generation: iterate for pieces of text; close it to stop early."""

    def __iter__(self) -> Iterator[str]:
        """Pieces of text as they come; each is whole characters."""
        ...

    def close(self) -> None:
        """Stops generating; `usage` then tells what was done."""
        ...

    @property
    def usage(self) -> Usage:
        """What it cost so far; complete once iteration has ended."""
        ...


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a caller may need to know of the model that runs."""

    name: str
    architecture: str
    parameters: int
    file_bytes: int
    context: int


class Engine(Protocol):
    """One loaded model."""

    @property
    def info(self) -> ModelInfo:
        """The model that runs."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens that `text` takes in this model's vocabulary."""
        ...

    def has_token(self, special: str) -> bool:
        """Whether the vocabulary has the special token of this name."""
        ...

    def generate(self, prompt: Prompt, sampling: Sampling, cancel: Event | None = None) -> Generation:
        """Continues `prompt`. Setting `cancel` stops prefill and decoding.

        Raises:
            EngineError: the prompt is longer than the context, names an unknown special token, or the model fails.
        """
        ...

    def close(self) -> None:
        """Frees the model."""
        ...
