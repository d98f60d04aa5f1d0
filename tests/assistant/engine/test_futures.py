"""Futures that stand for another one."""

from concurrent.futures import CancelledError, Future

import pytest

from assistant.engine.futures import detached
from assistant.errors import EngineError


@pytest.mark.parametrize("outcome", ["result", "error", "cancelled"])
def test_a_detached_future_ends_as_the_other_does(outcome: str) -> None:
    inner: Future[str] = Future()
    outer = detached(inner, lambda: None)
    if outcome == "result":
        inner.set_result("value")
        assert outer.result(0) == "value"
    elif outcome == "error":
        inner.set_exception(EngineError("broken"))
        with pytest.raises(EngineError, match="broken"):
            outer.result(0)
    else:
        inner.cancel()
        with pytest.raises(CancelledError):
            outer.result(0)


def test_cancelling_a_detached_future_leaves_the_other_to_who_is_asked() -> None:
    inner: Future[str] = Future()
    asked: list[bool] = []
    outer = detached(inner, lambda: asked.append(inner.done()))
    assert outer.cancel()
    assert asked == [False]
    assert not inner.done()
    inner.set_result("value")
    assert outer.cancelled()
