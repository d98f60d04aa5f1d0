"""Suggestions from the real base model, and from the cache after that."""

from dataclasses import replace
from pathlib import Path

import pytest

from assistant.context.builder import Choice, ContextBuilder
from assistant.context.types import Chunk
from assistant.engine.cancellation import Cancellation
from assistant.engine.llama import LlamaEngine
from assistant.fim import find_fim_tokens
from assistant.suggestion.suggester import Suggester
from assistant.suggestion.types import Buffer, NoSuggestion, Suggestion, SuggestionOptions, SuggestionRequest

pytestmark = pytest.mark.model

BEFORE = "import math\n\n\ndef area(radius):\n    return "
AFTER = "\n\n\nprint(area(2))\n"


class OneFile:
    """A project with one other file, and the budgets that were asked for."""

    def __init__(self, *chunks: Chunk) -> None:
        self._chunks = chunks
        self.budgets: list[int] = []

    def chunks(self, request: SuggestionRequest, budget_tokens: int) -> tuple[Chunk, ...]:
        self.budgets.append(budget_tokens)
        return self._chunks

    def reconsider(self, request: SuggestionRequest, budget_tokens: int) -> Choice | None:
        return None

    def first_chunks(self, request: SuggestionRequest, budget_tokens: int) -> tuple[Chunk, ...]:
        return self._chunks

    def adopt(self, choice: Choice) -> None:
        raise AssertionError("there was nothing to adopt")

    def path(self, buffer: Buffer) -> str:
        return "pkg/main.py"


@pytest.fixture
def suggester(engine: LlamaEngine) -> Suggester:
    return Suggester(engine, find_fim_tokens(engine), OneFile(), SuggestionOptions(max_tokens=48, max_seconds=None))


def request(before: str, after: str, *, automatic: bool = True) -> SuggestionRequest:
    buffer = Buffer("file:///p/pkg/main.py", Path("/p/pkg/main.py"), "python", 1, before + after)
    return SuggestionRequest(buffer, len(before), automatic)


def suggested(answer: Suggestion | NoSuggestion) -> Suggestion:
    assert isinstance(answer, Suggestion), answer
    return answer


def test_typing_through_a_suggestion_asks_the_model_once(suggester: Suggester) -> None:
    assert suggester.from_cache(request(BEFORE, AFTER)) is None
    first = suggested(suggester.suggest(request(BEFORE, AFTER), Cancellation()))
    assert first.text == "math.pi * radius ** 2"
    assert first.usage is not None
    assert not first.cached
    for typed in range(len(first.text)):
        now = suggested(suggester.suggest(request(BEFORE + first.text[:typed], AFTER), Cancellation()))
        assert (now.text, now.cached, now.usage) == (first.text[typed:], True, None)
    assert suggester.from_cache(request(BEFORE + "x", AFTER)) is None


def test_what_comes_after_a_suggestion_is_known_when_it_is_accepted(suggester: Suggester) -> None:
    asked = request("def double(number):", "\n")
    shown = suggested(suggester.suggest(asked, Cancellation()))
    assert shown.text.startswith("\n    return")
    accepted = request("def double(number):" + shown.text + "\n\n\ndef triple(number):", "\n")
    before_triple = replace(shown, text=shown.text + "\n\n\ndef triple(number):")
    suggester.ahead(asked, before_triple, Cancellation())
    known = suggester.from_cache(accepted)
    assert known is not None
    assert known.text.startswith("\n    return")


def test_other_files_are_in_the_prompt(engine: LlamaEngine) -> None:
    chunk = Chunk("pkg/colours.py", "def mix_colours(first_colour, second_colour):\n    return first_colour\n")
    before, after = "from pkg.colours import mix", "\n"
    context = OneFile(chunk)
    with_chunk = Suggester(engine, find_fim_tokens(engine), context, SuggestionOptions(max_tokens=16))
    assert suggested(with_chunk.suggest(request(before, after), Cancellation())).text == "_colours"
    assert context.budgets
    assert context.budgets[0] > 0


def test_a_reason_is_given_where_nothing_is_suggested(suggester: Suggester) -> None:
    answer = suggester.suggest(request("names = ['a']\nprint(names", ")\n"), Cancellation())
    assert isinstance(answer, NoSuggestion)
    assert answer.reason.endswith(".")
    assert suggester.from_cache(request("names = ['a']\nprint(names", ")\n")) is None


def test_a_cancelled_request_says_so(suggester: Suggester) -> None:
    cancel = Cancellation()
    cancel.set()
    assert suggester.suggest(request(BEFORE, AFTER), cancel) == NoSuggestion("The request was cancelled.")


def test_dos_line_ends_are_those_of_the_document(suggester: Suggester) -> None:
    answer = suggested(suggester.suggest(request("x = 1\r\n\r\n\r\ndef double(number):", "\r\n"), Cancellation()))
    assert answer.text.startswith("\r\n    return")
    assert answer.text.count("\n") == answer.text.count("\r\n")


def functions(count: int) -> str:
    return "".join(f"def scaled_{n}(length):\n    return length * {n}\n\n\n" for n in range(count))


def test_at_a_new_place_a_short_prompt_answers_until_the_whole_is_evaluated(engine: LlamaEngine) -> None:
    options = SuggestionOptions(max_tokens=16, max_seconds=None, patience=0.25)
    suggester = Suggester(engine, find_fim_tokens(engine), OneFile(), options)
    before, after = functions(60) + "def area(width, height):\n    return ", "\n\n\n" + functions(20)
    first = suggested(suggester.suggest(request(before, after), Cancellation()))
    assert first.text == "width * height"
    assert first.usage is not None
    assert first.usage.prompt_tokens < 200

    suggester.prepare(request(before, after), Cancellation())
    second = suggested(suggester.suggest(request(before + "height", after), Cancellation()))
    assert second.usage is not None
    assert second.usage.prompt_tokens > 500
    assert second.usage.prompt_tokens - second.usage.cached_tokens < 8


def shapes(name: str) -> Chunk:
    """Of more than 150 tokens, and of another file for each test: the engine is the same one."""
    return Chunk(f"pkg/{name}.py", "def area_of_rectangle(width, height):\n    return width * height\n" * 12)


def at_a_new_place(typed: str = "") -> SuggestionRequest:
    return request(functions(60) + f"def area(width, height):\n    return {typed}", "\n\n\n" + functions(20))


def test_what_was_read_when_a_document_was_opened_is_in_front_of_the_first_short_prompt(engine: LlamaEngine) -> None:
    options = SuggestionOptions(max_tokens=8, max_seconds=None, patience=0.25)
    suggester = Suggester(engine, find_fim_tokens(engine), OneFile(shapes("opened")), options)
    before = engine.evaluated_tokens
    suggester.open(at_a_new_place().buffer, Cancellation())
    read = engine.evaluated_tokens - before
    assert read > 150
    usage = suggested(suggester.suggest(at_a_new_place(), Cancellation())).usage
    assert usage is not None
    assert usage.prompt_tokens > read
    assert usage.prompt_tokens - usage.cached_tokens < 200
    before = engine.evaluated_tokens
    suggester.open(at_a_new_place().buffer, Cancellation())  # in another window
    assert engine.evaluated_tokens - before < 8


def test_a_short_prompt_has_other_files_once_they_were_read_while_nobody_typed(engine: LlamaEngine) -> None:
    options = SuggestionOptions(max_tokens=8, max_seconds=None, patience=0.25)
    suggester = Suggester(engine, find_fim_tokens(engine), OneFile(shapes("settled")), options)
    alone = suggested(suggester.suggest(at_a_new_place(), Cancellation())).usage
    stopped = Cancellation()
    stopped.set()
    suggester.settle(at_a_new_place(), stopped)
    typed = suggested(suggester.suggest(at_a_new_place("height"), Cancellation())).usage
    assert alone is not None
    assert typed is not None
    assert typed.prompt_tokens < alone.prompt_tokens + 4
    assert typed.prompt_tokens - typed.cached_tokens < 8  # what was stopped took nothing away
    suggester.settle(at_a_new_place("height"), Cancellation())
    more = suggested(suggester.suggest(at_a_new_place("height - 1 - "), Cancellation())).usage
    assert more is not None
    assert more.prompt_tokens > alone.prompt_tokens + 150
    assert more.prompt_tokens - more.cached_tokens < 8
    before = engine.evaluated_tokens
    suggester.settle(at_a_new_place("height - 1 - "), Cancellation())
    assert engine.evaluated_tokens == before


def test_a_definition_that_typing_calls_for_is_in_the_prompt_once_it_is_evaluated(
    engine: LlamaEngine, tmp_path: Path
) -> None:
    (tmp_path / "shapes.py").write_text("def area_of_trapezium(base, top, height_between):\n    return 0\n")
    context = ContextBuilder(tmp_path, engine.count_tokens)
    options = SuggestionOptions(max_tokens=16, max_seconds=None, patience=60)
    suggester = Suggester(engine, find_fim_tokens(engine), context, options)
    path = tmp_path / "main.py"

    def typed(text: str) -> SuggestionRequest:
        return SuggestionRequest(Buffer(path.as_uri(), path, "python", len(text), text + "\n"), len(text))

    before = "from shapes import *\n\n\ndef half_of_it(base, top, between):\n    return "
    first = suggested(suggester.suggest(typed(before), Cancellation()))
    assert context.wait_for_index(60)
    call = before + "0.5 * area_of_trapezium("
    assert context.chunks(typed(call), 512) == ()
    cancelled = Cancellation()
    cancelled.set()
    suggester.settle(typed(call), cancelled)
    assert context.chunks(typed(call), 512) == ()
    suggester.settle(typed(call), Cancellation())
    assert [chunk.path for chunk in context.chunks(typed(call), 512)] == ["shapes.py"]
    second = suggested(suggester.suggest(typed(call), Cancellation()))
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.prompt_tokens > first.usage.prompt_tokens + 10
    assert second.usage.prompt_tokens - second.usage.cached_tokens < 8
    assert "height_between" in second.text or "between" in second.text
    context.close()


def test_at_a_place_nearby_what_was_evaluated_around_it_stands_in_for_a_while(engine: LlamaEngine) -> None:
    options = SuggestionOptions(max_tokens=16, max_seconds=None, patience=0.25)
    suggester = Suggester(engine, find_fim_tokens(engine), OneFile(), options)
    text, body = functions(60), "    return length * "
    places = [text.index(body, text.index(f"scaled_{n}(")) + len(body) for n in (30, 31, 32, 33, 34)]

    def at(place: int) -> SuggestionRequest:
        return request(text[:place], text[text.index("\n", place) :], automatic=False)

    suggester.prepare(at(places[0]), Cancellation())
    for place in places[1:]:
        usage = suggested(suggester.suggest(at(place), Cancellation())).usage
        assert usage is not None
        assert usage.prompt_tokens > 500
        assert 8 < usage.prompt_tokens - usage.cached_tokens <= 128
        before = engine.evaluated_tokens
        suggester.prepare(at(place), Cancellation())
        if place != places[-1]:
            suggester.settle(at(place), Cancellation())
        assert engine.evaluated_tokens == before
    suggester.settle(at(places[-1]), Cancellation())
    assert engine.evaluated_tokens - before > 500
    suggester.settle(at(places[-1]), Cancellation())
    assert engine.evaluated_tokens - before < 1200


def test_who_comes_back_to_a_place_finds_it_evaluated(engine: LlamaEngine) -> None:
    options = SuggestionOptions(max_tokens=8, max_seconds=None, patience=0.25)
    suggester = Suggester(engine, find_fim_tokens(engine), OneFile(), options)
    text = functions(60) + "def area(width, height):\n    return \n\n\n" + functions(120)
    here, there = text.index("    return \n") + len("    return "), text.rindex("scaled_100")
    document = Buffer("file:///p/back.py", Path("/p/back.py"), "python", 1, text)
    for offset in (here, there):
        suggester.prepare(SuggestionRequest(document, offset), Cancellation())
    typed = replace(document, version=2, text=text[:here] + "h" + text[here:])
    answer = suggested(suggester.suggest(SuggestionRequest(typed, here + 1), Cancellation()))
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 500
    assert answer.usage.prompt_tokens - answer.usage.cached_tokens < 8
