"""Sessions of thousands of messages: all can be reached, and few are on the screen."""

import gc
from collections import Counter
from pathlib import Path

import pytest
from textual.widget import Widget

from assistant.chat.types import Role
from tests.tui.fakes import FakeBackend
from tests.tui.running import running
from tui import memory
from tui.history.store import History
from tui.history.types import State

pytestmark = pytest.mark.asyncio


@pytest.fixture
def backend(tmp_path: Path, project: Path) -> FakeBackend:
    path = tmp_path / "home" / "history.sqlite3"
    history = History(path)
    session, parent = history.create(project), None
    for number in range(2000):
        role = (Role.USER, Role.ASSISTANT)[number % 2]
        parent = history.messages.add(session, parent, role, f"This is number {number}.")
        history.messages.write(parent, f"This is number {number}.", State.WHOLE)
    history.close()
    return FakeBackend(history_path=path)


async def test_the_end_is_shown_and_all_is_reached_by_scrolling(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project, resume=True) as screen:
        await screen.until(lambda: "number 1999." in screen.text())
        transcript = screen.app.transcript
        most = 0
        for _ in range(400):
            transcript.scroll_relative(y=-12, animate=False)
            await screen.pilot.pause()
            most = max(most, len(screen.views))
            if "number 1900." in screen.text():
                break
        assert "number 1900." in screen.text()
        assert most < 60
        for _ in range(400):
            transcript.scroll_relative(y=12, animate=False)
            await screen.pilot.pause()
            if "number 1999." in screen.text():
                break
        assert "number 1999." in screen.text()


async def test_scrolling_back_skips_and_repeats_nothing(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project, resume=True) as screen:
        await screen.until(lambda: "number 1999." in screen.text())
        transcript = screen.app.transcript
        seen: list[int] = []
        for _ in range(150):
            shown = [
                int(line.split("number ")[1].split(".")[0])
                for line in screen.text().splitlines()[1:]
                if "number " in line
            ]
            numbers = shown[1:] if len(shown) > 1 and shown[0] == shown[1] - 1 else shown
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            if seen:
                assert numbers[0] <= seen[-1] <= numbers[-1] + 1  # what was at the top is still there, or just below
            seen.append(numbers[0])
            # Put off to a refresh, two of them may come at once where the machine is busy.
            transcript.scroll_relative(y=-5, animate=False, immediate=True)
            await screen.until(lambda: not transcript._moving)
        assert seen[-1] < 1900


async def test_answers_leave_nothing_in_memory_but_their_text(backend: FakeBackend, project: Path) -> None:
    backend.engine.answers += ["One.\n\n```python\nx = 1\n```\n\n- two\n- three\n"] * 8
    async with running(backend, project) as screen:
        for _ in range(8):
            await screen.say("and on")
        memory.free()
        alive = [each for each in gc.get_objects() if isinstance(each, Widget)]
        shown = len(screen.app.screen.query("*"))
        assert len(alive) < 2 * shown, Counter(type(each).__name__ for each in alive)


async def test_the_whole_conversation_goes_to_the_model_as_far_as_it_fits(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project, resume=True) as screen:
        await screen.say("And now?")
        prompt = backend.engine.prompts[-1]
        assert "number 1999." in prompt
        assert "number 3." not in prompt
        assert "earlier messages" in screen.app.talk.branch[-1].details.notice  # type: ignore[operator]
