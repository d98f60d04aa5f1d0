"""How many tokens of other files a machine affords."""

from hypothesis import given
from hypothesis import strategies as st

from assistant.context.budget import SECONDS, context_budget

speeds = st.floats(0, 1e6)


@given(speeds, st.integers(0, 200_000))
def test_it_fits_time_and_context(speed: float, context: int) -> None:
    budget = context_budget(speed, context)
    assert budget == 0 or 128 <= budget <= 4096
    assert budget <= max(0, min(speed * SECONDS, context / 2))


@given(speeds, st.integers(0, 200_000), st.floats(1, 10))
def test_a_faster_machine_affords_no_less(speed: float, context: int, faster: float) -> None:
    assert context_budget(speed * faster, context) >= context_budget(speed, context)


@given(st.floats(43, 600), st.lists(st.floats(0.75, 1.33), max_size=5))
def test_a_busy_machine_keeps_its_budget(speed: float, changes: list[float]) -> None:
    first = budget = context_budget(speed, 32768)
    for change in changes:
        budget = context_budget(speed * change, 32768, current=budget)
    assert budget == first


def test_a_current_budget_gives_way_to_lasting_changes_and_to_a_smaller_context() -> None:
    assert context_budget(800.0, 32768, current=512) == 2048
    assert context_budget(40.0, 32768, current=512) == 0
    assert context_budget(200.0, 1200, current=512) == 256


def test_small_changes_of_a_measured_speed_change_nothing() -> None:
    assert {context_budget(speed, 4096) for speed in (95.0, 110.0, 130.0)} == {256}
    assert context_budget(20.0, 4096) == 0
    assert context_budget(4000.0, 32768) == 4096
