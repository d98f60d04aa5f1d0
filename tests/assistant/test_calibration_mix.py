"""The shares of a calibration set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.calibration.packing import Kind, packing_for
from assistant.calibration_mix import CalibrationMix
from assistant.errors import UsageError


@pytest.mark.parametrize("share", ["project_share", "other_share", "chat_share", "fim_share"])
@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_a_share_outside_of_0_to_1_is_refused_by_name(share: str, value: float) -> None:
    with pytest.raises(UsageError, match=rf"(?i){share.replace('_', ' ')} of {value}"):
        CalibrationMix(**{share: value})


def test_shares_that_are_more_than_all_are_refused() -> None:
    with pytest.raises(UsageError, match=r"0\.5.*0\.4.*0\.2.*1\.1 together"):
        CalibrationMix(project_share=0.5, other_share=0.4, chat_share=0.2)


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.integers(16, 1 << 20))
def test_what_is_wanted_of_each_kind_is_all_together(parts: list[float], tokens: int) -> None:
    project, other, chat = (part / max(sum(parts), 1) for part in parts[:3])
    wanted = packing_for(CalibrationMix(project, other, chat), tokens, 16).wanted
    assert sum(wanted.values()) == tokens
    assert min(wanted.values()) >= 0
    assert abs(wanted[Kind.OTHER] - tokens * other) <= 3
