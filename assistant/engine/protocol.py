"""What the program asks of a model, whoever runs it: editor, chat and HTTP server depend on this alone."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from assistant.engine.cancellation import Cancellation


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
    """How tokens are chosen, and how many at most. A temperature of 0 is greedy, and deterministic.

    `max_tokens` counts tokens that give new text: those that only spell a healed prompt's end again are not limited.
    """

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
    """What a generation cost: token counts, and seconds of prefill and decoding.

    `decode_steps` is how often the model was evaluated in decoding: the first token comes from prefill, and a token
    after which the caller or a limit stopped is not evaluated.
    """

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    decode_steps: int
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
        """Tokens decoded a second; 0 when none was."""
        return self.decode_steps / self.decode_seconds if self.decode_seconds else 0.0


class TokenRole(StrEnum):
    """What a special token is for, wherever its name is found."""

    FIM_PREFIX = "fim-prefix"
    FIM_SUFFIX = "fim-suffix"
    FIM_MIDDLE = "fim-middle"
    FIM_PAD = "fim-pad"
    REPOSITORY = "repository"
    FILE_SEPARATOR = "file-separator"


class Generation(Protocol):
    """A running generation: iterate for pieces of text; close it to stop early.

    Iteration and `close` belong to one thread at a time; another thread stops a generation through its cancellation.
    """

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
class Wanted:
    """A text to be written beside others.

    Attributes:
        prompt: what it continues.
        sampling: how.
        enough: whether all that was written so far is enough; it is asked after each piece.
    """

    prompt: Prompt
    sampling: Sampling
    enough: Callable[[str], bool] = lambda text: False


@dataclass(frozen=True, slots=True)
class Written:
    """A text that was written beside others.

    Attributes:
        number: which of those wanted it is.
        text: all of it.
        usage: what it cost; its share of the seconds of each step that it had a token in.
    """

    number: int
    text: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a caller may need to know of the model that runs.

    Attributes:
        name: as the user knows it.
        architecture: such as `qwen2`.
        parameters: number of weights.
        file_bytes: size of the model file.
        context: tokens that prompt and completion may have together.
        special_tokens: names of the special tokens the model file gives these roles to; often fewer than it has.
        chat_template: what the file says of how messages become a prompt, in Jinja; None where it says nothing.
        bos_token: the special token that a chat template writes first, by name; empty where the engine puts it in
            front of every prompt itself, or there is none.
        eos_token: the one that ends a text, by name; empty where there is none.
        backend: what computes with the matrices: `dense`, which may be on GPUs, or `sparse` and its kernel.
    """

    name: str
    architecture: str
    parameters: int
    file_bytes: int
    context: int
    special_tokens: Mapping[TokenRole, str] = field(default_factory=dict)
    chat_template: str | None = None
    bos_token: str = ""
    eos_token: str = ""
    backend: str = "dense"


class Engine(Protocol):
    """One loaded model. Usable from any thread; between two pieces of one generation another may run."""

    @property
    def info(self) -> ModelInfo:
        """The model that runs."""
        ...

    @property
    def evaluated_tokens(self) -> int:
        """Tokens evaluated since the model was opened: of prompts, of completions, and ahead of requests."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens that `text` takes in this model's vocabulary."""
        ...

    def has_token(self, special: str) -> bool:
        """Whether the vocabulary has the special token of this name."""
        ...

    def generate(
        self,
        prompt: Prompt,
        sampling: Sampling,
        cancel: Cancellation | None = None,
        *,
        sequence: str = "",
        shift: bool = False,
    ) -> Generation:
        """Continues `prompt`; work begins with the first iteration. Setting `cancel` stops prefill and decoding.

        What the prompt begins with as an earlier one did is not evaluated again. Prompts of one `sequence`, such as a
        document's, take each other's place in the cache; those of several are kept beside each other, within the
        engine's budget of memory.

        With `shift`, long stretches that the sequence's last prompt had elsewhere are used again too, where the engine
        can: after a line was inserted or a chunk dropped, what follows is not evaluated again. That is an
        approximation, as the model saw other text before them; without it, only what is exactly right is used.

        Raises:
            EngineError: the prompt is longer than the context, names an unknown special token, or the model fails.
        """
        ...

    def write_side_by_side(self, wanted: Sequence[Wanted], cancel: Cancellation | None = None) -> Iterator[Written]:
        """Writes many texts at once, each as if alone but for rounding; gives each when it ends, which is in any order.

        A step of all texts takes hardly longer than one of a single text, as the weights are read once. Setting
        `cancel` ends it: texts that have not ended do not come.

        Raises:
            EngineError: as `generate`, before anything is written.
        """
        ...

    def prefill(
        self, prompt: Prompt, cancel: Cancellation | None = None, *, sequence: str = "", shift: bool = False
    ) -> Usage:
        """Evaluates `prompt` without continuing it, so that a generation from it begins at once.

        Setting `cancel` stops it; what it has evaluated until then stays cached.

        Raises:
            EngineError: as `generate`.
        """
        ...

    def uncached_tokens(self, prompt: Prompt, *, sequence: str = "", shift: bool = False) -> int:
        """How many tokens of `prompt` a `prefill` would evaluate now, at least 1.

        Raises:
            EngineError: as `generate`.
        """
        ...

    def save_cache(
        self,
        path: Path,
        *,
        context: str = "",
        sequences: Collection[str] | None = None,
        seconds: float = float("inf"),
    ) -> int:
        """Saves what is cached of the most recent prompts for the next start; gives how many tokens that is.

        Of all sequences, or of those named. `context` says what else has to be the same at the next start for the file
        to be of use, such as a digest.

        Raises:
            EngineError: the file cannot be written, or not within so many `seconds`.
        """
        ...

    def restore_cache(self, path: Path, *, context: str = "") -> int:
        """Takes over what `save_cache` wrote for the same model and `context`, besides what is cached.

        It gives how many tokens that is: 0 when the file cannot be used.
        """
        ...

    def close(self) -> None:
        """Frees the model."""
        ...
