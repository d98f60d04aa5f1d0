"""The app on a screen that is not there, and waiting for what is to appear on it."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from tests.tui.fakes import FakeBackend
from tui.app import ChatApp
from tui.opening import Opening
from tui.preferences import Preferences
from tui.widgets.message import MessageView

# Long enough for a machine that is busy with other work: a test that fails waits so long, and no other.
_SECONDS = 90.0


@asynccontextmanager
async def running(
    backend: FakeBackend,
    project: Path,
    *,
    size: tuple[int, int] = (80, 24),
    preferences: Preferences | None = None,
    **opening: Any,
) -> AsyncIterator["Screen"]:
    """The app about a project, its model opened."""
    app = ChatApp(project, preferences, backend, Opening(**opening))
    async with app.run_test(size=size) as pilot:
        screen = Screen(app, pilot)
        await screen.until(lambda: app.models.backend is not None and app.is_ready)
        yield screen


class Screen:
    """A running app, and what a user does with it and sees of it."""

    def __init__(self, app: ChatApp, pilot: "Pilot[None]") -> None:
        self.app = app
        self.pilot = pilot

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits for a condition; fails when it does not come."""
        end = time.monotonic() + _SECONDS
        while not condition():
            assert time.monotonic() < end, f"{condition} did not come; the screen says:\n{self.text()}"
            await self.pilot.pause(0.01)
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Types text into what has the focus; `\\n` is enter."""
        names = {"\n": "enter", " ": "space"}
        await self.press(*(names.get(each, each) for each in text))

    async def say(self, text: str) -> None:
        """Sends a message and waits for the whole answer."""
        before = len(self.app.talk.branch)
        self.app.prompt.write(text)
        await self.press("enter")
        await self.until(lambda: len(self.app.talk.branch) >= before + 2 and not self.app.answering.busy)

    @property
    def messages(self) -> list[str]:
        """The texts of the messages shown."""
        return [each.text for each in self.app.talk.branch]

    @property
    def views(self) -> list[MessageView]:
        return self.app.transcript.mounted

    @property
    def told(self) -> str:
        """What the user was told in passing."""
        return "\n".join(each.message for each in self.app._notifications)

    def text(self) -> str:
        """What is on the screen, as text."""
        lines = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in line).rstrip() for line in lines)
