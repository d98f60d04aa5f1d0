"""Prefill in steps, so that who waits for the first word can be told how far the model has read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine, Prompt, Segment, Usage

# Half a second of a small model on two cores: a suggestion in the editor may be waiting for the end of a step.
STEP_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a prompt is read: tokens that are in the cache, of all it has."""

    done: int
    total: int


@dataclass(slots=True)
class Read:
    """What reading ahead has cost: tokens that were in the cache before, and seconds of prefill."""

    cached: int | None = None
    seconds: float = 0.0

    def added_to(self, usage: Usage) -> Usage:
        """The usage of the generation that came after, with what was read ahead of it."""
        if self.cached is None:
            return usage
        return replace(usage, cached_tokens=self.cached, prefill_seconds=usage.prefill_seconds + self.seconds)


def read_ahead(
    engine: Engine, prompt: Prompt, cancel: Cancellation, sequence: str, hear: Callable[[Reading], None]
) -> Read:
    """Evaluates nearly all of a prompt, and tells after each step how far it is; stops when cancelled.

    Steps end at line ends, where tokens end in all vocabularies or nearly so: what a step has evaluated is not
    evaluated again.

    Raises:
        EngineError: as the engine's `prefill`.
    """
    read = Read()
    missing = engine.uncached_tokens(prompt)
    if missing <= STEP_TOKENS:
        return read
    total = sum(1 if part.special else engine.count_tokens(part.text) for part in prompt.segments)
    cached = max(total - missing, 0)
    hear(Reading(cached, total))
    for done, step in _steps(prompt, cached, engine):
        if cancel.is_set():
            break
        usage = engine.prefill(step, cancel, sequence=sequence)
        if read.cached is None:
            read.cached = usage.cached_tokens
        read.seconds += usage.prefill_seconds
        if not cancel.is_set():
            hear(Reading(min(done, total), total))
    return read


def _steps(prompt: Prompt, cached: int, engine: Engine) -> Iterator[tuple[int, Prompt]]:
    """Growing beginnings of a prompt with their tokens, a step apart, from where the cache ends."""
    tokens, wanted = 0, cached + STEP_TOKENS
    before: list[Segment] = []
    for segment in prompt.segments:
        if segment.special:
            tokens += 1
            before.append(segment)
            continue
        begin = 0
        for end in _line_ends(segment.text):
            tokens += engine.count_tokens(segment.text[begin:end])
            begin = end
            if tokens >= wanted and end < len(segment.text):
                yield tokens, Prompt((*before, Segment(segment.text[:end])))
                wanted = tokens + STEP_TOKENS
        before.append(segment)


def _line_ends(text: str) -> Iterator[int]:
    """Where lines end that no empty line follows, as line ends in a row may be one token, and where the text does."""
    end = text.find("\n") + 1
    while end:
        if end < len(text) and text[end] not in "\r\n":
            yield end
        end = text.find("\n", end) + 1
    yield len(text)
