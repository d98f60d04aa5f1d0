"""Answers while they grow: they look as they will once they are whole, and only what is near the view is laid out."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from threading import Event

import pytest

from assistant.chat.types import Role
from tests.tui.fakes import FakeBackend
from tests.tui.running import Screen, running
from tui.history.types import State, StoredMessage
from tui.widgets.message import MessageView

pytestmark = pytest.mark.asyncio

ALL_KINDS = """Some *text* that goes on and on and on, longer than a line is wide, so it wraps to the next, and again.

- one item `code`
- two items
  - nested a
  - nested b that is **bold**
- three

  a second paragraph

  ```python
  def add(a, b):
      return a + b
  ```
- four
  > quoted

9. first
10. second
    1. a nested one
11. third

> a quote

```python
def f(x):
    return x  # a comment that makes the block wider and wider and wider than the screen is, by far, and is cut
```

| a | b |
|---|---|
| 1 | 2 |
| 3 | 4 |

# Heading

- a list
- at the end
"""


def message(text: str, state: State) -> StoredMessage:
    return StoredMessage(1, None, Role.ASSISTANT, text, state)


def body(screen: Screen) -> list[str]:
    """The lines of the answer, without the numbers that blocks of code get in the end."""
    lines = [line.rstrip() for line in screen.text().splitlines() if not line.lstrip().startswith("╭")]
    return lines[lines.index("  Assistant") :]


@pytest.mark.parametrize("step", [4, 17])
async def test_an_answer_that_grows_looks_as_it_will_when_it_is_whole(
    backend: FakeBackend, project: Path, step: int
) -> None:
    async with running(backend, project, size=(80, 100)) as screen:
        view = await screen.app.transcript.add(message("", State.WRITING))
        for begin in range(0, len(ALL_KINDS), step):
            await view.write(ALL_KINDS[begin : begin + step])
            await screen.pilot.pause()
        await screen.until(lambda: "at the end" in screen.text())
        grown = body(screen)
        await view.finish(message(ALL_KINDS, State.WHOLE))
        await screen.pilot.pause()
        assert body(screen) == grown


class Held(list[str]):
    """Pieces of an answer that is not at its end before it may be."""

    def __init__(self, pieces: Iterable[str]) -> None:
        super().__init__(pieces)
        self.may_end = Event()

    def __iter__(self) -> Iterator[str]:
        yield from super().__iter__()
        while not self.may_end.wait(1):
            yield ""  # a test that fails cancels it, and is not to wait


@pytest.fixture
def answer(backend: FakeBackend) -> Iterator[Held]:
    text = "Paragraph {0}.\n\n- item {0}\n\n```python\nx = {0}\n```\n\n"
    answer = Held(text.format(number) for number in range(60))
    backend.engine.answers.append(answer)
    backend.engine.pause = 0.005
    yield answer
    answer.may_end.set()


def laid_out(screen: Screen) -> int:
    return sum(each.display and all(up.display for up in each.ancestors) for each in screen.app.transcript.query("*"))


async def test_what_is_far_above_the_end_is_not_laid_out_while_the_end_grows(
    backend: FakeBackend, project: Path, answer: Held
) -> None:
    async with running(backend, project) as screen:
        await screen.type("go on\n")
        await screen.until(lambda: "x = 59" in screen.text())
        screen.app.transcript.fold()
        assert laid_out(screen) < 120
        answer.may_end.set()
        await screen.until(lambda: not screen.app.answering.busy and all(each.display for each in screen.views))
        assert all(each.display for each in screen.views[-1].parts)
        assert laid_out(screen) > 240
        assert "x = 59" in screen.text()


# On a busy machine what is read may be a layout whose place the next refresh corrects.
@pytest.mark.flaky(reruns=4)
async def test_what_is_not_laid_out_is_reached_by_scrolling_while_the_end_grows(
    backend: FakeBackend, project: Path, answer: Held
) -> None:
    async with running(backend, project) as screen:
        await screen.type("go on\n")
        await screen.until(lambda: "x = 59" in screen.text())
        transcript = screen.app.transcript
        seen: list[int] = []
        for _ in range(200):
            # Put off to a refresh, two of them may come at once where the machine is busy.
            transcript.scroll_relative(y=-5, animate=False, immediate=True)
            await screen.until(lambda: not transcript._moving)
            await screen.pilot.pause(0.05)
            lines = reversed(screen.text().splitlines())
            seen += [int(line.split("Paragraph ")[1].split(".")[0]) for line in lines if "Paragraph " in line]
            if 0 in seen:
                break
        assert seen[-1] == 0
        assert max(below - above for below, above in pairwise(seen)) <= 1, "one was skipped"
        answer.may_end.set()
        await screen.until(lambda: not screen.app.answering.busy)
        await screen.until(lambda: "Paragraph 0." in screen.text())


async def test_what_is_read_stays_where_it_is_when_the_answer_ends(
    backend: FakeBackend, project: Path, answer: Held
) -> None:
    async with running(backend, project) as screen:
        await screen.type("go on\n")
        await screen.until(lambda: "x = 59" in screen.text())
        screen.app.transcript.fold()
        screen.app.transcript.scroll_relative(y=-150, animate=False, immediate=True)
        await screen.until(lambda: not screen.app.transcript._moving)
        read = re.findall(r"Paragraph \d+", screen.text())
        assert read
        answer.may_end.set()
        await screen.until(lambda: not screen.app.answering.busy)
        await screen.until(lambda: re.findall(r"Paragraph \d+", screen.text()) == read)
        await screen.pilot.pause(0.2)
        assert re.findall(r"Paragraph \d+", screen.text()) == read


async def test_messages_that_are_not_laid_out_are_reached_by_keys(
    backend: FakeBackend, project: Path, answer: Held
) -> None:
    backend.engine.answers.appendleft("Short.")
    async with running(backend, project) as screen:
        await screen.say("first question")
        await screen.type("go on\n")
        await screen.until(lambda: "x = 59" in screen.text())
        screen.app.transcript.fold()
        assert not screen.views[0].display
        for _ in range(4):
            await screen.press("ctrl+up")
        focused = screen.app.focused
        assert isinstance(focused, MessageView)
        assert focused.shown.text == "first question"
        await screen.until(lambda: "first question" in screen.text().partition("Ask about")[0].partition("\n")[2])
        answer.may_end.set()
