"""What counts as another suggestion, and how it is drawn."""

import pytest

from assistant.suggestion.alternatives import draws, is_new


@pytest.mark.parametrize(
    ("text", "new"),
    [("a + b", False), ("a + b\n", False), (" a", False), ("b + a", True), ("a + b + c", True)],
)
def test_white_space_and_beginnings_make_no_difference(text: str, new: bool) -> None:
    assert is_new(text, ["a + b", "sum((a, b))"]) == new


def test_no_draw_is_repeated_as_more_is_shown() -> None:
    seeds = [sampling.seed for shown in range(4) for sampling in draws(shown)]
    assert len(set(seeds)) == len(seeds)
    assert all(sampling.temperature > 0 for sampling in draws(1))
