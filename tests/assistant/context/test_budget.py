"""How many tokens of other files a machine affords."""

from hypothesis import given
from hypothesis import strategies as st

from assistant.context.budget import SECONDS, context_budget

speeds = st.floats(0, 1e6)


@given(speeds, st.integers(0, 200_000))
def test_it_fits_time_and_context(speed: float, context: int) -> None:
    budget = context_budget(speed, context)
    assert budget == 0 or 256 <= budget <= 4096
    assert budget <= max(0, min(speed * SECONDS, context / 2))


@given(speeds, st.integers(0, 200_000), st.floats(1, 10))
def test_a_faster_machine_affords_no_less(speed: float, context: int, faster: float) -> None:
    assert context_budget(speed * faster, context) >= context_budget(speed, context)


def test_small_changes_of_a_measured_speed_change_nothing() -> None:
    assert {context_budget(speed, 4096) for speed in (95.0, 110.0, 130.0)} == {512}
    assert context_budget(20.0, 4096) == 0
    assert context_budget(2000.0, 32768) == 4096
