"""The estimators and tests of significance, against their definitions."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.evaluation.pass_at_k import mean_pass_at_k, pass_at_k
from assistant.evaluation.plots import pareto_front
from assistant.evaluation.predicting import BITS, PERPLEXITY
from assistant.evaluation.ratios import perplexity_ratio
from assistant.evaluation.similarity import edit_distance, edit_similarity
from assistant.evaluation.statistics import compare, mcnemar, paired_bootstrap, wilson
from assistant.evaluation.typing_model import type_text

TEXTS = st.text(alphabet="ab c\n", max_size=12)


@given(st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(case: tuple[int, int, int]) -> None:
    samples, right, k = case
    draws = list(combinations([index < right for index in range(samples)], k))
    assert pass_at_k(samples, right, k) == pytest.approx(sum(map(any, draws)) / len(draws))


@pytest.mark.parametrize(("samples", "right", "k"), [(1, 0, 2), (3, 4, 1), (3, -1, 1), (3, 1, 0)])
def test_pass_at_k_refuses_what_it_cannot_estimate(samples: int, right: int, k: int) -> None:
    with pytest.raises(ValueError, match="cannot be estimated"):
        pass_at_k(samples, right, k)


def test_pass_at_k_is_the_mean_of_tasks() -> None:
    assert mean_pass_at_k([(4, 4), (4, 0), (4, 1)], 1) == pytest.approx((1 + 0 + 0.25) / 3)
    with pytest.raises(ValueError, match="no tasks"):
        mean_pass_at_k([], 1)


def _distance(first: str, second: str) -> int:
    table = [[max(i, j) for j in range(len(second) + 1)] for i in range(len(first) + 1)]
    for i in range(1, len(first) + 1):
        for j in range(1, len(second) + 1):
            table[i][j] = min(
                table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (first[i - 1] != second[j - 1])
            )
    return table[-1][-1]


@given(TEXTS, TEXTS)
def test_edit_distance_is_levenshteins(first: str, second: str) -> None:
    assert edit_distance(first, second) == _distance(first, second)


def test_edit_similarity_is_one_for_the_same_and_counts_characters() -> None:
    assert edit_similarity("", "") == 1.0
    assert edit_similarity("a = 1", "a = 1") == 1.0
    assert edit_similarity("", "abc") == 0.0
    assert edit_similarity("kitten", "sitting") == pytest.approx(1 - 3 / 7)
    assert edit_similarity("\U0001f600b", "\U0001f601b") == 0.5


@pytest.mark.parametrize(
    ("only_first", "only_second", "expected"), [(0, 0, 1.0), (5, 5, 1.0), (0, 5, 0.0625), (1, 9, 22 / 1024)]
)
def test_mcnemars_exact_test(only_first: int, only_second: int, expected: float) -> None:
    assert mcnemar(only_first, only_second) == pytest.approx(expected)
    assert mcnemar(only_second, only_first) == pytest.approx(expected)


def test_the_bootstrap_interval_is_near_the_normal_one_and_repeats() -> None:
    differences = np.random.default_rng(1).normal(0.2, 1.0, 400)
    low, high = paired_bootstrap(differences, 0)
    half = 1.96 * differences.std() / math.sqrt(400)
    assert low == pytest.approx(differences.mean() - half, abs=0.02)
    assert high == pytest.approx(differences.mean() + half, abs=0.02)
    assert paired_bootstrap(differences, 0) == (low, high)


def test_a_comparison_counts_the_tasks_that_both_have() -> None:
    found = compare({"a": 1.0, "b": 0.0, "c": 1.0, "only": 1.0}, {"a": 0.0, "b": 1.0, "c": 1.0, "other": 0.0})
    assert found is not None
    assert (found.tasks, found.difference, found.only_first, found.only_second, found.p_value) == (3, 0.0, 1, 1, 1.0)
    assert found.low < 0 < found.high
    assert compare({"a": 1.0}, {"b": 1.0}) is None
    graded = compare({"a": 0.25, "b": 0.5}, {"a": 0.5, "b": 0.75})
    assert graded is not None
    assert graded.p_value is None
    assert (graded.low, graded.high) == (0.25, 0.25)


def test_wilsons_interval_is_as_published() -> None:
    # Newcombe, Statistics in Medicine 17, 1998, table I: 81 of 263, and none of 20.
    assert wilson(81, 263) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))
    assert wilson(0, 20) == (0.0, pytest.approx(0.1611, abs=5e-5))
    with pytest.raises(ValueError, match="no share"):
        wilson(3, 2)


@given(base=st.floats(1.1, 50), own=st.floats(1.1, 50), tokens=st.integers(50, 5000), longer=st.floats(1.0, 2.0))
def test_the_ratio_of_perplexities_is_counted_by_the_bases_tokens(
    base: float, own: float, tokens: int, longer: float
) -> None:
    """`own` is a perplexity by those tokens; a trimmed vocabulary cuts the text into `longer` times as many."""

    def summary(perplexity: float, cut: float) -> dict[str, float]:
        loss = tokens * math.log(perplexity)
        return {PERPLEXITY: math.exp(loss / (tokens * cut)), BITS: loss / math.log(2) / (3 * tokens)}

    assert perplexity_ratio(summary(own, longer), summary(base, 1.0)) == pytest.approx(own / base)


def test_the_front_has_what_no_other_is_better_than() -> None:
    assert pareto_front([(3, 0.5), (1, 0.2), (2, 0.1), (4, 0.5), (5, 0.9)]) == [1, 0, 4]


def test_typing_takes_suggestions_that_are_right_and_no_others() -> None:
    wanted = "return first + second"
    assert type_text(wanted, lambda typed: "").keystrokes == len(wanted)
    assert type_text(wanted, lambda typed: wanted[len(typed) :]).keystrokes == 1
    assert type_text(wanted, lambda typed: "return firstly").keystrokes == len(wanted)
    # Right after the first word: six keystrokes for it, and one for the rest.
    later = type_text(wanted, lambda typed: wanted[len(typed) :] if typed else "print()")
    assert later.keystrokes == len("return") + 1
    assert later.saved == pytest.approx(1 - 7 / len(wanted))


@given(st.text(alphabet="ab (", max_size=20), st.text(alphabet="ab (", max_size=6))
def test_typing_never_takes_more_than_without_suggestions(wanted: str, suggestion: str) -> None:
    typed = type_text(wanted, lambda _: suggestion)
    assert typed.keystrokes <= typed.characters == len(wanted)
