"""Completing code with the real base model."""

import threading

import pytest

from assistant.completion import Completer, CompletionOptions, Place
from assistant.engine.cancellation import Cancellation
from assistant.engine.llama import LlamaEngine
from assistant.errors import EngineError
from assistant.filters import Lines
from assistant.fim import find_fim_tokens
from assistant.finishing import Ending, Refusal
from assistant.grammars import Grammar
from assistant.window import WindowSize

pytestmark = pytest.mark.model

BEFORE = "import math\n\n\ndef area(radius):\n    return "
AFTER = "\n\n\nprint(area(2))\n"


@pytest.fixture(scope="module")
def completer(engine: LlamaEngine) -> Completer:
    return Completer(engine, find_fim_tokens(engine))


def test_a_line_is_completed(completer: Completer) -> None:
    completion = completer.complete(BEFORE, AFTER, CompletionOptions())
    assert completion.text == "math.pi * radius ** 2"
    assert completion.ending in (Ending.LINE, Ending.SUFFIX, Ending.END_TOKEN)
    assert completion.model
    assert completion.first_text_seconds is not None
    assert 0 < completion.first_text_seconds <= completion.seconds
    assert completion.usage.completion_tokens > 0


def test_the_same_request_gives_the_same_text(completer: Completer) -> None:
    first, second = (completer.complete(BEFORE, AFTER, CompletionOptions()) for _ in range(2))
    assert first.text == second.text
    assert second.usage.cached_tokens == second.usage.prompt_tokens - 1


def test_typing_evaluates_only_what_was_typed(completer: Completer) -> None:
    completer.complete(BEFORE, AFTER, CompletionOptions())
    usage = completer.complete(BEFORE + "math.p", AFTER, CompletionOptions()).usage
    assert usage.prompt_tokens - usage.cached_tokens <= 3


def test_many_lines_end_before_the_text_after_the_cursor(completer: Completer) -> None:
    before = "def absolute(number):\n    "
    after = "\n    return number\n\n\ndef double(number):\n    return 2 * number\n"
    completion = completer.complete(before, after, CompletionOptions(lines=Lines.MANY))
    assert completion.text.startswith("if number < 0:\n")
    assert "    return number\n\n" not in completion.text
    assert not completion.text.endswith("\n")


def test_what_closes_the_line_is_not_repeated(completer: Completer) -> None:
    completion = completer.complete("names = ['a', 'b']\nprint(', '.join(", "))\n", CompletionOptions())
    assert completion.text == "names"


def test_dos_line_ends_are_kept(completer: Completer) -> None:
    before = BEFORE.replace("\n", "\r\n").removesuffix("return ")
    completion = completer.complete(before, AFTER.replace("\n", "\r\n"), CompletionOptions(lines=Lines.MANY))
    unix = completer.complete(BEFORE.removesuffix("return "), AFTER, CompletionOptions(lines=Lines.MANY))
    assert completion.text.replace("\r\n", "\n") == unix.text
    assert completion.text.count("\n") == completion.text.count("\r\n")


def test_an_empty_file_can_be_completed(completer: Completer) -> None:
    completion = completer.complete("", "", CompletionOptions(max_tokens=8))
    assert completion.usage.prompt_tokens == 3


def test_a_large_file_fits(completer: Completer) -> None:
    text = "".join(f"value_{number} = compute({number})\n" for number in range(20_000))
    usage = completer.complete(text + "value_20000 = ", text, CompletionOptions(max_tokens=4)).usage
    assert 300 < usage.prompt_tokens <= 512 + 128 + 8


def test_windows_shrink_to_the_context(completer: Completer, engine: LlamaEngine) -> None:
    text = "".join(f"value_{number} = compute({number})\n" for number in range(1000))
    options = CompletionOptions(max_tokens=1900, max_lines=1, window=WindowSize(4000, 1000))
    usage = completer.complete(text, text, options).usage
    assert usage.prompt_tokens + 1900 <= engine.info.context
    with pytest.raises(EngineError, match="no room"):
        completer.complete(text, text, CompletionOptions(max_tokens=engine.info.context))


def test_a_cancelled_completion_says_so(completer: Completer) -> None:
    cancel = Cancellation()
    timer = threading.Timer(0.2, cancel.set)
    timer.start()
    text = "".join(f"other_{number} = compute({number})\n" for number in range(100))
    completion = completer.complete(text, text, CompletionOptions(), cancel)
    timer.join()
    assert (completion.text, completion.ending) == ("", Ending.CANCELLED)


def test_a_block_at_the_cursor_is_filled(completer: Completer) -> None:
    before = "def is_even(number):\n    return number % 2 == 0\n\n\ndef is_odd(number):"
    completion = completer.complete(before, "\n", CompletionOptions(), place=Place(Grammar.PYTHON))
    assert completion.text == "\n    return number % 2 != 0"


def test_a_refusal_says_why(completer: Completer) -> None:
    before, after = "names = ['a']\nprint(names", ")\n"
    completion = completer.complete(before, after, CompletionOptions(), place=Place(Grammar.PYTHON, automatic=True))
    assert completion.text == ""
    assert isinstance(completion.refusal, Refusal)


def test_what_was_written_in_time_is_kept_by_the_line(completer: Completer) -> None:
    before = "def fibonacci(n):\n    "
    whole = completer.complete(before, "\n", CompletionOptions(lines=Lines.MANY))
    short = completer.complete(before, "\n", CompletionOptions(lines=Lines.MANY, max_seconds=0.0))
    assert short.ending is Ending.TIME_LIMIT
    assert whole.text.startswith(short.text)
    assert short.usage.completion_tokens < whole.usage.completion_tokens


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def area(radius):\n    return 3.14 * radius\n\nsqzssqzssqzssqzssqzs", "\n"),
        ("values = [1, 1, 1, 1, ", "\n"),
        ("x = not not not not ", "\n"),
    ],
)
def test_a_loop_within_a_line_ends_it_and_is_not_offered(completer: Completer, before: str, after: str) -> None:
    completion = completer.complete(before, after, CompletionOptions(), place=Place(Grammar.PYTHON))
    assert (completion.text, completion.refusal) == ("", Refusal.REPEATS_ABOVE)
    assert completion.ending is Ending.LOOP
    assert completion.usage.completion_tokens < 64
