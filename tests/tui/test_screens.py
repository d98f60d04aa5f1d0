"""The main screens as pictures: what a change does to them is seen before it is taken over.

SNED_UPDATE_SCREENS=1 writes them anew, into tests/tui/screens; look at them before they are committed.
"""

import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui.fakes import FakeBackend
from tests.tui.running import Screen, running
from tests.tui.test_commands import do
from tui.backend import Needed
from tui.preferences import THEMES, Preferences

PICTURES = Path(__file__).with_name("screens")
SIZES = {"80x24": (80, 24), "120x40": (120, 40)}

ANSWER = """`count` measures the list; a generator has **no length**. Count as you go, in `basket.py`:

```python
def count(pears):
    \"\"\"How many pears there are.\"\"\"
    return sum(1 for pear in pears)
```

1. It works for any iterable.
2. It reads it *once*.

| input | before | after |
| --- | --- | --- |
| a list | 3 | 3 |
| a generator | error | 3 |
"""


async def talk(screen: Screen) -> None:
    await screen.say("Why does @basket.py fail for a generator?")
    await screen.until(lambda: "tokens/s" in screen.text() and screen.app.models.rows)


async def completion(screen: Screen) -> None:
    await screen.type("see @bas")
    await screen.until(lambda: screen.app.completing.list.display and screen.app.completing.index.symbols)
    screen.app.completing.update()


async def review(screen: Screen) -> None:
    await talk(screen)
    await do(screen, "/apply")


async def sessions(screen: Screen) -> None:
    await talk(screen)
    await screen.press("ctrl+n")
    await screen.say("Name three kinds of pears.")
    await screen.press("ctrl+o")


async def models(screen: Screen) -> None:
    await talk(screen)
    await do(screen, "/model")


async def help_shown(screen: Screen) -> None:
    await screen.press("f1")


async def palette(screen: Screen) -> None:
    await screen.press("ctrl+p")
    await screen.until(lambda: "/apply" in screen.text())


async def first_run(screen: Screen) -> None:
    await screen.until(lambda: len(screen.app.screen_stack) > 1)


SCENES: dict[str, Callable[[Screen], Awaitable[None]]] = {
    "talk": talk,
    "completion": completion,
    "review": review,
    "sessions": sessions,
    "models": models,
    "help": help_shown,
    "palette": palette,
    "first-run": first_run,
}
PICTURED = [(scene, theme, size) for scene in SCENES for theme in THEMES for size in SIZES]


@pytest.mark.asyncio
@pytest.mark.parametrize("pictured", PICTURED, ids="-".join)
async def test_a_screen_is_as_it_was(
    pictured: tuple[str, str, str], backend: FakeBackend, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, theme, size = pictured
    monkeypatch.setenv("TZ", "UTC")
    times = iter(range(1_800_000_000, 1_900_000_000, 61))
    monkeypatch.setattr("tui.history.messages.time.time", lambda: float(next(times)))
    backend.engine.answers += [ANSWER, "Williams, Conference and Abate Fetel."]
    if scene == "first-run":
        question = "The base model qwen2.5-coder-0.5b-instruct is not here yet (491 MB)."
        backend.missing = Needed(question, "Fetch it", ("fetch",), blocking=True)
    monkeypatch.chdir(project.parent)
    async with running(backend, Path("pears"), size=SIZES[size], preferences=Preferences(THEMES[theme])) as screen:
        screen.app.prompt.cursor_blink = False
        screen.app.animation_level = "none"
        await SCENES[scene](screen)
        for written in screen.app.screen.query(Input):
            written.cursor_blink = False
        for toast in screen.app.query("Toast"):
            toast.remove()
        await screen.pilot.pause(0.3)
        found = _normal(screen.app.export_screenshot(title=f"sned chat: {scene}"))
    picture = PICTURES / f"{scene}-{theme}-{size}.svg"
    if os.environ.get("SNED_UPDATE_SCREENS"):
        PICTURES.mkdir(exist_ok=True)
        picture.write_text(found, encoding="utf-8")
    assert found == picture.read_text(encoding="utf-8"), f"{picture} differs; SNED_UPDATE_SCREENS=1 writes it anew"


def _normal(picture: str) -> str:
    """The picture without numbers that differ from one to the next, and without fonts from elsewhere."""
    picture = re.sub(r"terminal-\d+", "terminal", picture)
    return re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)
