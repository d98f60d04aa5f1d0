"""All filters together: what they promise of any text, and the reasons they give."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.filters import (
    Cut,
    Lines,
    Site,
    cut_blank_line,
    cut_dedent,
    cut_line,
    cut_lines,
    cut_suffix,
    trim_partial_line,
    trim_rest_of_line,
    trim_suffix_lines,
    trim_unbalanced,
    trim_white_space,
)
from assistant.finishing import Ending, Refusal, Surroundings, finish
from assistant.grammars import Grammar
from assistant.repetition import cut_repetition

FILTERS = [
    cut_blank_line,
    cut_dedent,
    cut_line,
    cut_lines(3),
    cut_repetition,
    cut_suffix,
    trim_partial_line,
    trim_rest_of_line,
    trim_suffix_lines,
    trim_unbalanced,
    trim_white_space,
]

PIECES = ["x", "f(", ")", "]", "}", "{", " = 1", ":", ",", "\n", "\n    ", "\n\n", "return x", "    ", '"', "é"]
texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


@given(texts, texts, texts, st.sampled_from(FILTERS))
def test_a_filter_only_takes_off_the_end(text: str, before: str, after: str, each: Cut) -> None:
    site = Site.between(before, after)
    kept = each(text, site)
    assert text.startswith(kept)


# A line that a limit broke off is taken off once; closing brackets come off one run at a time.
IDEMPOTENT = [each for each in FILTERS if each is not trim_partial_line and each is not trim_rest_of_line]


@given(texts, texts, texts, st.sampled_from(IDEMPOTENT))
def test_a_filter_has_done_its_work_after_once(text: str, before: str, after: str, each: Cut) -> None:
    site = Site.between(before, after)
    kept = each(text, site)
    assert each(kept, site) == kept


@given(texts, texts, texts, st.sampled_from(Grammar), st.tuples(st.sampled_from(Ending), st.booleans()))
def test_what_is_offered_is_a_beginning_or_has_a_reason(
    text: str, before: str, after: str, grammar: Grammar, ended: tuple[Ending, bool]
) -> None:
    finished = finish(text, Surroundings.read(before, after, grammar, Lines.AUTO), ended[0], automatic=ended[1])
    assert text.startswith(finished.text)
    assert bool(finished.text.strip()) == (finished.refusal is None)


@pytest.mark.parametrize(
    ("before", "text", "after", "ending", "refusal"),
    [
        ("x = ", "", "\n", Ending.END_TOKEN, Refusal.NOTHING),
        ("x = 1\n", "", "\ny = 2\n", Ending.SUFFIX, Refusal.REPEATS_AFTER),
        ("def f():\n    x = 1\n    ", "", "\n", Ending.DEDENT, Refusal.OUTSIDE),
        ("def f():\n    ", "return x", "\n    return x\n", Ending.END_TOKEN, Refusal.REPEATS_AFTER),
        ("print(", ")", ")\n", Ending.LINE, Refusal.REPEATS_AFTER),
        ("y = 3\ny = 3\n", "y = 3", "\n", Ending.END_TOKEN, Refusal.REPEATS_ABOVE),
        ("x = 1\n", ") + 2", "\ny = 3\n", Ending.END_TOKEN, Refusal.BROKEN),
        ("x = f(y", ")", "\n", Ending.LINE, Refusal.TOO_LITTLE),
        ("x = ", "", "\n", Ending.CANCELLED, Refusal.CANCELLED),
    ],
)
def test_reasons(before: str, text: str, after: str, ending: Ending, refusal: Refusal) -> None:
    around = Surroundings.read(before, after, Grammar.PYTHON, Lines.AUTO)
    assert finish(text, around, ending, automatic=True).refusal is refusal


def test_a_little_is_given_when_it_is_asked_for() -> None:
    around = Surroundings.read("x = f(y", "\n", Grammar.PYTHON, Lines.AUTO)
    assert finish(")", around, Ending.LINE, automatic=False).text == ")"


def test_a_limit_leaves_whole_lines() -> None:
    around = Surroundings.read("def f():\n    ", "\n", Grammar.PYTHON, Lines.AUTO)
    for ending in (Ending.TOKEN_LIMIT, Ending.TIME_LIMIT, Ending.CONTEXT_FULL):
        assert finish("x = 1\n    retu", around, ending, automatic=True).text == "x = 1"


def test_surroundings_of_a_long_text_are_bounded() -> None:
    around = Surroundings.read("x = 1\r\n" * 200_000, "y = 2\r\n" * 200_000, Grammar.PYTHON, Lines.AUTO)
    assert len(around.before) + len(around.after) < 30_000
    assert "\r" not in around.before + around.after
