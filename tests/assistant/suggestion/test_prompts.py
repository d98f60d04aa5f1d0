"""Which prompt answers at a place, and when the whole one is evaluated: without a model, whose work is only counted."""

from pathlib import Path

from assistant.completion import Completer
from assistant.context.builder import ContextBuilder
from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import ModelInfo, Prompt, StopReason, Usage
from assistant.fim import KNOWN_TOKENS
from assistant.suggestion.pace import Pace
from assistant.suggestion.prompts import PlacePrompts
from assistant.suggestion.types import Buffer, SuggestionOptions, SuggestionRequest
from tests.engines import ModellessEngine


class Counting(ModellessEngine):
    """Has nothing of any prompt until it was evaluated."""

    def __init__(self) -> None:
        super().__init__(ModelInfo("none", "none", 1, 1, 4096))
        self.evaluated: list[str] = []
        self.cancelled = False

    def uncached_tokens(self, prompt: Prompt, *, sequence: str = "", shift: bool = False) -> int:
        return 1 if sequence in self.evaluated else 1000

    def prefill(
        self, prompt: Prompt, cancel: Cancellation | None = None, *, sequence: str = "", shift: bool = False
    ) -> Usage:
        self.evaluated.append(sequence)
        return Usage(1000, 0, 0, 0, 1.0, 0.0, StopReason.CANCELLED if self.cancelled else StopReason.CALLER)


def request(uri: str = "file:///a.py") -> SuggestionRequest:
    text = "".join(f"value_{number} = {number}\n" for number in range(200))
    return SuggestionRequest(Buffer(uri, Path("/a.py"), "python", 1, text), len(text) // 2)


def place_prompts(engine: Counting) -> PlacePrompts:
    context = ContextBuilder(None, engine.count_tokens)
    return PlacePrompts(engine, Completer(engine, KNOWN_TOKENS[0]), context, SuggestionOptions(), Pace())


def asked(prompts: PlacePrompts, times: int) -> None:
    for _ in range(times):
        task = prompts.affordable(request(), prompts.options(request()))
        assert task.place.sequence == "file:///a.py near"


def test_the_whole_prompt_is_due_once_somebody_stays_at_a_place() -> None:
    engine = Counting()
    prompts = place_prompts(engine)
    asked(prompts, 7)
    assert not prompts.is_due(request())
    asked(prompts, 1)
    assert prompts.is_due(request())
    assert not prompts.is_due(request("file:///b.py"))
    prompts.prepare(request(), Cancellation())
    assert engine.evaluated == ["file:///a.py"]
    assert not prompts.is_due(request())


def test_the_whole_prompt_stays_due_while_it_is_not_evaluated_to_its_end() -> None:
    engine = Counting()
    engine.cancelled = True
    prompts = place_prompts(engine)
    asked(prompts, 8)
    prompts.prepare(request(), Cancellation())
    assert prompts.is_due(request())
