"""Evaluation problems are known by their wording."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.corpus import evaluation
from assistant.corpus.evaluation import fingerprint, has_evaluation_problem
from assistant.corpus.ngrams import ngram_hashes, words


def problem(number: int) -> str:
    """The text of a problem of which no two 13-grams are the same."""
    return "Frame that all of the problems have in common and that says nothing at all of them. " + " ".join(
        f"p{number}w{n}" for n in range(60)
    )


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five problems are known, and no others."""
    hashes = np.frombuffer(fingerprint([problem(n)] for n in range(5)), dtype="<u8").astype(np.uint64)
    monkeypatch.setattr(evaluation, "_known", lambda: hashes)


@pytest.mark.usefixtures("known")
def test_a_copy_is_found_whatever_its_layout() -> None:
    copy = f"class Solution {{\n  /** {problem(3).upper().replace(' ', ',  ')} */\n}}"
    assert has_evaluation_problem("int a;\n" * 500 + copy + "int b;\n" * 500)


@pytest.mark.usefixtures("known")
def test_other_texts_and_the_frame_of_problems_are_no_problems() -> None:
    assert not has_evaluation_problem(problem(77))
    assert not has_evaluation_problem(problem(3)[:90])
    assert not has_evaluation_problem("")


def test_no_n_gram_of_numbers_ships() -> None:
    assert fingerprint([[" ".join(map(str, range(500)))]]) == b""


def test_what_ships_is_sorted_and_knows_the_wording_of_the_first_problem() -> None:
    known = evaluation._known()
    assert known.size > 5_000
    assert (np.diff(known.astype(object)) > 0).all()
    first = "check if in given list of numbers, are any two numbers closer to each other than given threshold"
    assert np.isin(ngram_hashes(words(first), 13), known).any()


@given(st.lists(st.sampled_from("abcdefg"), max_size=40), st.integers(1, 6))
def test_equal_n_grams_and_no_others_have_equal_hashes(sequence: list[str], n: int) -> None:
    ngrams = [tuple(sequence[start : start + n]) for start in range(len(sequence) - n + 1)]
    hashes = ngram_hashes(sequence, n).tolist()
    assert len(hashes) == len(ngrams)
    assert len(set(hashes)) == len(set(ngrams)) == len(set(zip(hashes, ngrams, strict=True)))


def test_hashes_are_the_same_on_every_machine() -> None:
    assert ngram_hashes(words("a_b C"), 3).tolist() == [ngram_hashes(["a", "b", "c"], 3)[0]]
    assert f"{ngram_hashes(['a', 'b', 'c'], 3)[0]:x}" == "513c663a08809f71"
