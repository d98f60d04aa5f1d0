"""Sessions on the real base model."""

from pathlib import Path
from threading import Event

import pytest

from assistant.open_models import OpenModels
from assistant.selection import select_model
from assistant.session import Session
from assistant.settings import load_settings
from assistant.suggestion.suggester import SuggestionOptions
from assistant.suggestion.types import Buffer, Suggestion, SuggestionRequest

pytestmark = pytest.mark.model

BEFORE = "".join(f"def scaled_{n}(length):\n    return length * {n}\n\n\n" for n in range(60))
BEFORE += "def area(width, height):\n    return "


def request(typed: str) -> SuggestionRequest:
    buffer = Buffer("file:///p/main.py", Path("/p/main.py"), "python", len(typed), f"{BEFORE}{typed}\n")
    return SuggestionRequest(buffer, len(BEFORE) + len(typed))


def test_after_a_suggestion_the_whole_prompt_is_evaluated_when_nothing_else_is_to_do(base_model: Path) -> None:
    settings = load_settings()
    selection = select_model(settings, None, str(base_model))
    models = OpenModels(settings)
    session = Session(None, None, lambda: selection, models)
    session.use_options(SuggestionOptions(max_tokens=16, patience=0.25))
    try:
        session.open().result()
        answered = Event()
        first = session.suggest(request(""))
        first.add_done_callback(lambda _: answered.set())
        answered.wait()
        models.get(selection).scheduler.idle("after what is idle now", lambda cancel: None).result()
        second = session.suggest(request("height")).result()
        assert isinstance(second, Suggestion)
        assert second.usage is not None
        assert second.usage.prompt_tokens > 400
        assert second.usage.prompt_tokens - second.usage.cached_tokens < 8
    finally:
        session.close()
        models.close()
