"""How fast prompts are evaluated, and what follows from it."""

from assistant.engine.protocol import StopReason, Usage
from assistant.suggestion.pace import Pace

AROUND, CONTEXT = 768, 4096


def evaluated(tokens: int, rate: float, reason: StopReason = StopReason.CALLER) -> Usage:
    return Usage(tokens + 100, 100, 0, 0, tokens / rate, 0.0, reason)


def test_the_last_prompt_tells_what_can_be_done_now() -> None:
    pace = Pace()
    pace.measure(evaluated(100, 40.0))
    assert pace.prefill_rate == 40.0
    assert 90 < pace.usual_rate < 100


def test_a_busy_minute_leaves_the_chunks_alone_and_a_slow_machine_does_not() -> None:
    pace = Pace()
    assert pace.afford(CONTEXT, AROUND) == 256
    for _ in range(2):
        pace.measure(evaluated(200, 30.0))
        assert pace.afford(CONTEXT, AROUND) == 256
    for _ in range(10):
        pace.measure(evaluated(800, 30.0))
    assert pace.afford(CONTEXT, AROUND) == 0


def test_a_fast_machine_soon_affords_more() -> None:
    pace = Pace()
    for _ in range(3):
        pace.measure(evaluated(800, 2000.0))
    assert pace.afford(CONTEXT, AROUND) == 2048


def test_a_short_prompt_keeps_its_length_until_the_speed_has_changed_much() -> None:
    pace = Pace()
    lengths = []
    for rate in (100.0, 140.0, 80.0, 300.0, 250.0, 90.0):
        pace.measure(evaluated(100, rate))
        lengths.append(pace.near(2.0))
    assert lengths == [200, 200, 200, 600, 600, 180]


def test_few_tokens_and_cancelled_prompts_tell_nothing() -> None:
    pace = Pace()
    pace.measure(evaluated(63, 5.0))
    pace.measure(evaluated(0, 5.0))
    pace.measure(evaluated(800, 5.0, StopReason.CANCELLED))
    assert pace == Pace()
