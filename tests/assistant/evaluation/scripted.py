"""An engine that writes what it is told to: for how results are kept and compared, not for what models say."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import ModelInfo, Prompt, Sampling, StopReason, Usage, Wanted, Written

_USAGE = Usage(3, 0, 2, 1, 0.5, 0.5, StopReason.END_TOKEN)


class ScriptedGeneration:
    """One text, in one piece."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.usage = _USAGE

    def __iter__(self) -> Iterator[str]:
        yield self._text

    def close(self) -> None:
        """Nothing to stop."""


class ScriptedEngine:
    """Answers each prompt by `answer`, and counts."""

    info = ModelInfo(
        "scripted", "none", 1, 1, 4096, chat_template="{% for each in messages %}{{ each.content }}{% endfor %}"
    )
    evaluated_tokens = 0

    def __init__(self, answer: Callable[[str], str]) -> None:
        self._answer = answer
        self.asked: list[str] = []
        self.closed = False

    def generate(
        self, prompt: Prompt, sampling: Sampling, cancel: Cancellation | None = None, **_: Any
    ) -> ScriptedGeneration:
        text = "".join(segment.text for segment in prompt.segments)
        self.asked.append(text)
        return ScriptedGeneration(self._answer(text))

    def write_side_by_side(self, wanted: Sequence[Wanted], cancel: Cancellation | None = None) -> Iterator[Written]:
        """Texts that end in the order in which they are wanted, each where it is enough."""
        for number, each in enumerate(wanted):
            text = "".join(self.generate(each.prompt, each.sampling))
            yield Written(number, next((part for part in _beginnings(text) if each.enough(part)), text), _USAGE)

    def prefill(self, prompt: Prompt, cancel: Cancellation | None = None, **_: Any) -> Usage:
        return _USAGE

    def uncached_tokens(self, prompt: Prompt, **_: Any) -> int:
        return 1

    def count_tokens(self, text: str) -> int:
        return len(text) // 4 + 1

    def has_token(self, special: str) -> bool:
        return special in {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|repo_name|>", "<|file_sep|>"}

    def save_cache(self, path: Any, **_: Any) -> int:
        return 0

    def restore_cache(self, path: Any, **_: Any) -> int:
        return 0

    def close(self) -> None:
        self.closed = True


def _beginnings(text: str) -> Iterator[str]:
    return (text[:end] for end in range(1, len(text)))
