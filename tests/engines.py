"""An engine without a model, for tests in which what a model writes does not matter; each says what its own does."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Generation, ModelInfo, Prompt, Sampling, StopReason, Usage, Wanted, Written


class ModellessEngine:
    """Keeps and evaluates nothing, and fails where it is to write; a token is a character."""

    def __init__(self, info: ModelInfo) -> None:
        self.info = info

    @property
    def evaluated_tokens(self) -> int:
        return 0

    def count_tokens(self, text: str) -> int:
        return len(text)

    def has_token(self, special: str) -> bool:
        return False

    def generate(
        self,
        prompt: Prompt,
        sampling: Sampling,
        cancel: Cancellation | None = None,
        *,
        sequence: str = "",
        shift: bool = False,
    ) -> Generation:
        raise NotImplementedError

    def write_side_by_side(self, wanted: Sequence[Wanted], cancel: Cancellation | None = None) -> Iterator[Written]:
        raise NotImplementedError

    def prefill(
        self, prompt: Prompt, cancel: Cancellation | None = None, *, sequence: str = "", shift: bool = False
    ) -> Usage:
        return Usage(1, 0, 0, 0, 0.0, 0.0, StopReason.CALLER)

    def uncached_tokens(self, prompt: Prompt, *, sequence: str = "", shift: bool = False) -> int:
        return 1

    def save_cache(
        self,
        path: Path,
        *,
        context: str = "",
        sequences: Collection[str] | None = None,
        seconds: float = float("inf"),
    ) -> int:
        return 0

    def restore_cache(self, path: Path, *, context: str = "") -> int:
        return 0

    def close(self) -> None:
        return None
