"""What a model writes for a prompt, until it is enough."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine, Prompt, Sampling, Segment

# Evaluated in front of each prompt, in its place: what prompts have in common would be kept from the last one,
# evaluated in other batches, and in its last digits a result would depend on what came before it.
_BLANK = Prompt((Segment("\n"),))


@dataclass(frozen=True, slots=True)
class Written:
    """A text, its tokens, and the seconds that they took with those of the prompt."""

    text: str
    tokens: int
    seconds: float


def write(
    engine: Engine,
    prompt: Prompt,
    sampling: Sampling,
    enough: Callable[[str], bool],
    cancel: Cancellation | None = None,
) -> Written:
    """What the model writes until `enough` says so of all of it, or it ends, or the limit is reached.

    Raises:
        EngineError: the model fails.
        KeyboardInterrupt: it was cancelled.
    """
    text = ""
    reset(engine, cancel)
    with closing(engine.generate(prompt, sampling, cancel)) as generation:
        for piece in generation:
            text += piece
            if enough(text):
                break
    if cancel is not None and cancel.is_set():
        raise KeyboardInterrupt
    usage = generation.usage
    return Written(text, usage.completion_tokens, usage.prefill_seconds + usage.decode_seconds)


def reset(engine: Engine, cancel: Cancellation | None = None) -> None:
    """Has the engine forget its last prompt, so that the next one is evaluated whole."""
    engine.prefill(_BLANK, cancel)
