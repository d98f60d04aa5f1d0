"""Comparing code by its lines."""

from hypothesis import given
from hypothesis import strategies as st

from assistant.context.similarity import contained, line_set, similarity

texts = st.text(alphabet="ab{}\n ", max_size=60)


def test_indentation_order_and_lines_of_punctuation_do_not_count() -> None:
    assert line_set("if a {\n    {\n  b\n}\n\n") == line_set("b\nif a")


@given(texts, texts)
def test_similarity_is_a_share_and_has_no_direction(one: str, other: str) -> None:
    first, second = line_set(one), line_set(other)
    assert 0 <= similarity(first, second) == similarity(second, first) <= 1
    assert similarity(first, first) == contained(first, first) == 1


@given(texts, texts)
def test_a_part_is_contained_in_the_whole(part: str, rest: str) -> None:
    assert contained(line_set(part), line_set(f"{part}\n{rest}")) == 1


def test_what_shares_no_line_is_neither_alike_nor_contained() -> None:
    assert similarity(line_set("a"), line_set("b")) == contained(line_set("a"), line_set("b")) == 0
