"""Which sequence of the engine a place in a document has."""

from hypothesis import given
from hypothesis import strategies as st

from assistant.suggestion.spots import Spots, sequence_names

URI = "file:///a.py"


def test_what_is_near_is_the_same_place_and_what_is_far_another() -> None:
    spots = Spots()
    assert spots.sequence(URI, 5_000) == URI
    assert spots.sequence(URI, 6_900) == URI
    far = spots.sequence(URI, 20_000)
    assert far != URI
    assert spots.sequence(URI, 6_000) == URI
    assert spots.sequence(URI, 21_000) == far
    assert spots.sequence("file:///b.py", 21_000) == "file:///b.py"


def test_the_place_not_used_for_longest_makes_room() -> None:
    spots = Spots()
    first, second, third = (spots.sequence(URI, offset) for offset in (0, 10_000, 20_000))
    assert len({first, second, third}) == 3
    assert spots.sequence(URI, 0) == first
    assert spots.sequence(URI, 40_000) == second
    assert spots.sequence(URI, 10_000) == third


@given(st.lists(st.integers(0, 100_000), min_size=1))
def test_a_place_is_found_again_at_once(offsets: list[int]) -> None:
    spots = Spots()
    for offset in offsets:
        found = spots.sequence(URI, offset)
        assert found in sequence_names(URI)
        assert spots.sequence(URI, offset) == found
