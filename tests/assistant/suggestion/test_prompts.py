"""Which prompt answers at a place, and when the whole one is evaluated: without a model, whose work is only counted."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from assistant.completion import Completer
from assistant.context.builder import ContextBuilder
from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import ModelInfo, Prompt, StopReason, Usage
from assistant.fim import KNOWN_TOKENS
from assistant.suggestion.pace import Pace
from assistant.suggestion.prompts import PlacePrompts
from assistant.suggestion.suggester import Suggester
from assistant.suggestion.types import Buffer, Suggestion, SuggestionOptions, SuggestionRequest
from tests.engines import ModellessEngine

MISSING = 1000


class Counting(ModellessEngine):
    """Has nothing of any prompt until it was evaluated."""

    def __init__(self) -> None:
        super().__init__(ModelInfo("none", "none", 1, 1, 4096))
        self.evaluated: list[str] = []
        self.cancelled = False
        self.left: int | None = None  # of a prompt whose evaluation was cancelled
        self.near = 60  # tokens of the short prompts, beside what was evaluated for the last of them

    def uncached_tokens(self, prompt: Prompt, *, sequence: str = "", shift: bool = False) -> int:
        if sequence.endswith(" near"):
            return self.near
        if self.cancelled and self.left is not None and self.evaluated:
            return self.left
        return 1 if sequence in self.evaluated else MISSING

    def prefill(
        self, prompt: Prompt, cancel: Cancellation | None = None, *, sequence: str = "", shift: bool = False
    ) -> Usage:
        self.evaluated.append(sequence)
        return Usage(1000, 0, 0, 0, 1.0, 0.0, StopReason.CANCELLED if self.cancelled else StopReason.CALLER)


def request(uri: str = "file:///a.py", line: int = 1000) -> SuggestionRequest:
    text = "".join(f"value_{number} = {number}\n" for number in range(2000))
    offset = text.index(f"value_{line} =")
    return SuggestionRequest(Buffer(uri, Path("/a.py"), "python", 1, text), offset)


def place_prompts(engine: Counting) -> PlacePrompts:
    context = ContextBuilder(None, engine.count_tokens)
    return PlacePrompts(engine, Completer(engine, KNOWN_TOKENS[0]), context, SuggestionOptions(), Pace())


def asked(prompts: PlacePrompts, times: int, line: int = 1000) -> None:
    for _ in range(times):
        task = prompts.affordable(request(line=line), prompts.options(request(line=line)))
        assert task.place.sequence == "file:///a.py near"


def test_a_whole_prompt_is_evaluated_once_so_much_was_asked_that_it_is_worth_it() -> None:
    prompts = place_prompts(Counting())
    pauses = [prompts.pause(request())]
    for _ in range(MISSING):
        asked(prompts, 1)
        pauses.append(prompts.pause(request()))
    early = pauses.index(pauses[-1])
    assert set(pauses[:early]) == {pauses[0]}
    assert pauses[-1] < pauses[0]
    assert len(set(pauses[early:])) == 1
    assert 0 < MISSING / early <= 10  # tokens of it that each has cost
    assert prompts.pause(request("file:///b.py")) == pauses[0]


def test_what_is_computed_ahead_is_no_stay() -> None:
    prompts = place_prompts(Counting())
    came = prompts.pause(request())
    for _ in range(MISSING):
        assert prompts.affordable(request(), prompts.options(request()), ahead=True).shift
    assert prompts.pause(request()) == came


def test_who_has_come_from_a_far_place_has_not_stayed_there_yet() -> None:
    prompts = place_prompts(Counting())
    came = prompts.pause(request(line=10))
    asked(prompts, MISSING, 10)
    for line in (1000, 500, 1500):  # more than places of a document are kept
        asked(prompts, 1, line)
        assert prompts.pause(request(line=line)) == came
    asked(prompts, MISSING, 1500)
    assert prompts.pause(request(line=1500)) < came
    assert prompts.pause(request(line=1000)) == came
    asked(prompts, 1, 1000)
    assert prompts.pause(request(line=1000)) == came


def test_an_evaluated_prompt_ends_the_stay_unless_it_was_stopped() -> None:
    engine = Counting()
    prompts = place_prompts(engine)
    came = prompts.pause(request())
    asked(prompts, MISSING)
    engine.cancelled = True
    prompts.prepare(request(), Cancellation())
    assert prompts.pause(request()) < came
    engine.cancelled, engine.evaluated = False, []
    prompts.prepare(request(), Cancellation())
    assert engine.evaluated == ["file:///a.py"]
    assert prompts.pause(request()) == came


def test_what_a_stopped_prompt_has_cost_is_not_spent_again_elsewhere_nearby() -> None:
    engine = Counting()
    prompts = place_prompts(engine)
    came = prompts.pause(request())
    needed = 0
    while prompts.pause(request()) == came:
        asked(prompts, 1)
        needed += 1
    engine.cancelled, engine.left = True, 100  # of it nearly all is evaluated
    prompts.prepare(request(), Cancellation())
    assert prompts.pause(request()) < came  # the rest is still worth it here
    engine.left, engine.evaluated = None, []
    asked(prompts, 1, 1010)
    assert prompts.pause(request(line=1010)) == came
    asked(prompts, needed, 1010)
    assert prompts.pause(request(line=1010)) < came


def test_what_was_evaluated_nearby_stands_in_for_a_short_prompt_but_not_too_often() -> None:
    engine = Counting()
    prompts = place_prompts(engine)
    shifts = []
    for line in range(1000, 1010):
        shifts.append(prompts.affordable(request(line=line), prompts.options(request(line=line))).shift)
        engine.near = 1
        typed_on = prompts.affordable(request(line=line), prompts.options(request(line=line)))
        assert typed_on.shift  # or what was moved would be evaluated for a key
        engine.near = 60
    assert True in shifts
    assert shifts.index(False) == 4
    assert shifts[5:9] == shifts[:4]


def test_after_a_jump_a_short_prompt_is_not_longer_than_at_a_new_place() -> None:
    engine = Counting()
    prompts = place_prompts(engine)

    def first_line(line: int) -> str:
        now = request(line=line)
        text = prompts.affordable(now, prompts.options(now)).prompt.segments[-1].text
        return text.partition("\n")[0]

    began = first_line(1000)
    assert first_line(1003) == began
    engine.near = 500
    assert first_line(1003) != began


def typed(text: str) -> SuggestionRequest:
    """The request after so much was typed at the place."""
    place = request()
    written = place.before + text
    return SuggestionRequest(replace(place.buffer, text=written + place.after), len(written))


def test_the_text_next_to_the_cursor_begins_where_it_did_while_somebody_types() -> None:
    engine, pace = Counting(), Pace()
    prompts = PlacePrompts(
        engine, Completer(engine, KNOWN_TOKENS[0]), ContextBuilder(None, engine.count_tokens), SuggestionOptions(), pace
    )
    shown = []
    for number, rate in enumerate((100, 90, 150, 110, 60)):
        pace.prefill_rate = rate
        now = typed("value = 1\n" * number)
        shown.append(prompts.affordable(now, prompts.options(now)).prompt.segments[-1].text)
    assert all(after.startswith(before) for before, after in pairwise(shown))
    much = typed("value = 1\n" * 200)
    moved = prompts.affordable(much, prompts.options(much))
    assert engine.count_tokens(moved.prompt.segments[-1].text) < 200
    assert moved.before == much.before  # for the filters


def test_the_text_next_to_the_cursor_begins_elsewhere_where_the_lines_above_have_changed() -> None:
    prompts = place_prompts(Counting())
    now = request()
    asked(prompts, 1)
    text = now.buffer.text.replace("value_0 = 0\n", "")
    moved = SuggestionRequest(replace(now.buffer, text=text), now.offset - len("value_0 = 0\n"))
    first = prompts.affordable(moved, prompts.options(moved)).prompt.segments[-1].text
    assert now.before.endswith(first)
    assert first.startswith("value_")


def test_nothing_is_computed_ahead_where_much_of_a_prompt_would_have_to_be_evaluated() -> None:
    engine = Counting()
    suggester = Suggester(engine, KNOWN_TOKENS[0], ContextBuilder(None, engine.count_tokens))
    shown = Suggestion("value = 1", False, None, 0.0)
    suggester.ahead(request(), shown, Cancellation())
    engine.evaluated.append("file:///a.py")
    with pytest.raises(NotImplementedError):  # it would write now
        suggester.ahead(request(), shown, Cancellation())
