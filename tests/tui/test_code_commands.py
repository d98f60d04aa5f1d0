"""Code blocks of answers: copied, saved, applied; nothing is written before the user has seen it."""

from pathlib import Path

import pytest

from tests.tui.fakes import FakeBackend
from tests.tui.running import running
from tests.tui.test_commands import do
from tui.screens.review import Review

pytestmark = pytest.mark.asyncio

ANSWER = """Change `basket.py`:

```python
def count(pears):
    return sum(1 for pear in pears)
```

And run:

```sh
make
```
"""


async def test_blocks_and_answers_are_copied(backend: FakeBackend, project: Path) -> None:
    backend.engine.answers.append(ANSWER)
    async with running(backend, project) as screen:
        await do(screen, "/copy")
        assert "no answer yet" in screen.told
        screen.app.prompt.text = ""
        await screen.say("how?")
        await do(screen, "/copy")
        assert screen.app.clipboard == ANSWER
        await do(screen, "/copy 2")
        assert screen.app.clipboard == "make\n"
        await do(screen, "/copy 3")
        assert "no code block 3; it has 2" in screen.told
        screen.app.prompt.text = ""
        await screen.press("ctrl+up", "c")
        assert screen.app.clipboard == ANSWER


async def test_a_block_is_applied_after_its_review_and_taken_back(backend: FakeBackend, project: Path) -> None:
    (project / "src").mkdir()
    path = (project / "basket.py").rename(project / "src" / "basket.py")
    before = path.read_text()
    backend.engine.answers.append(ANSWER.replace("`basket.py`", "`src/basket.py`"))
    async with running(backend, project) as screen:
        await screen.say("how?")
        await do(screen, "/apply 1")
        assert "--- a/src/basket.py" in screen.text()
        assert isinstance(screen.app.screen, Review)
        assert "-    return len(pears)" in screen.text()
        assert "+    return sum(1 for pear in pears)" in screen.text()
        assert path.read_text() == before
        await screen.press("n")
        assert path.read_text() == before
        await do(screen, "/apply 1")
        await screen.press("y")
        await screen.until(lambda: "was changed" in screen.told)
        assert path.read_text() == "def count(pears):\n    return sum(1 for pear in pears)\n"
        await do(screen, "/undo")
        assert path.read_text() == before
        await do(screen, "/undo")
        assert "Nothing has been applied" in screen.told


async def test_a_file_that_changed_during_the_review_is_left_alone(backend: FakeBackend, project: Path) -> None:
    backend.engine.answers.append(ANSWER)
    async with running(backend, project) as screen:
        await screen.say("how?")
        await do(screen, "/apply 1")
        (project / "basket.py").write_text("mine = 1\n")
        await screen.press("y")
        await screen.until(lambda: "changed meanwhile" in screen.told)
        assert (project / "basket.py").read_text() == "mine = 1\n"


async def test_a_block_is_saved_to_a_new_file(backend: FakeBackend, project: Path) -> None:
    backend.engine.answers.append(ANSWER)
    async with running(backend, project) as screen:
        await screen.say("how?")
        await do(screen, "/save 2")
        assert "Nothing tells which file block 2 is for" in screen.told
        await do(screen, "/save 2 tools/run.sh")
        assert "New file" in screen.text()
        assert not (project / "tools").exists()
        await screen.press("enter")
        await screen.until((project / "tools" / "run.sh").exists)
        assert (project / "tools" / "run.sh").read_text() == "make\n"


async def test_an_answer_cannot_name_a_file_outside_of_the_project(backend: FakeBackend, project: Path) -> None:
    backend.engine.answers.append("Change `../outside.py`:\n\n```python\nx = 1\n```")
    backend.engine.answers.append("```python title=/etc/outside.py\nx = 1\n```")
    async with running(backend, project) as screen:
        for question in ("one", "two"):
            await screen.say(question)
            await do(screen, "/apply")
            assert not isinstance(screen.app.screen, Review) or str(project) in screen.text()
            await screen.press("escape")
            screen.app.prompt.text = ""
        assert "not in the project" in screen.told
        assert not (project.parent / "outside.py").exists()


async def test_the_file_that_was_attached_is_the_one_that_is_meant(backend: FakeBackend, project: Path) -> None:
    backend.engine.answers.append("```python\ndef count(pears):\n    return 0\n```")
    async with running(backend, project) as screen:
        await screen.say("mend @basket.py")
        await do(screen, "/apply")
        assert "basket.py" in screen.text()
        assert "+    return 0" in screen.text()


async def test_what_the_review_shows_cannot_steer_the_screen(backend: FakeBackend, project: Path) -> None:
    backend.engine.answers.append("```python\nx = '\x1b[31m[bold]'\n```")
    async with running(backend, project) as screen:
        await screen.say("x")
        await do(screen, "/save 1 new.py")
        assert "+x = '␛[31m[bold]'" in screen.text()
