"""Answers: streamed, stopped, regenerated, branched from; and what goes wrong with them."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from assistant.errors import EngineError
from tests.tui.fakes import FakeBackend
from tests.tui.running import Screen, running
from tui.app import ChatApp
from tui.history.store import History
from tui.history.types import State

pytestmark = pytest.mark.asyncio


async def test_an_answer_is_shown_as_markdown_with_what_it_cost(backend: FakeBackend, project: Path) -> None:
    backend.engine.answers.append("Use **this**:\n\n```python\nx = 1\n```\n\nDone.")
    async with running(backend, project) as screen:
        await screen.type("How?\n")
        await screen.until(lambda: len(screen.messages) == 2 and not screen.app.answering.busy)
        shown = screen.text()
        assert "How?" in shown
        assert "Use this:" in shown
        assert "1 python" in shown
        assert "x = 1" in shown
        assert "25 tokens/s" in shown
        assert "context" in shown
        assert screen.messages == ["How?", "Use **this**:\n\n```python\nx = 1\n```\n\nDone."]


async def test_what_is_written_is_shown_and_kept_while_it_is(backend: FakeBackend, project: Path) -> None:
    backend.engine.pause = 0.05
    backend.engine.answers.append(" ".join(f"word{number}" for number in range(1000)))
    async with running(backend, project) as screen:
        await screen.type("go\n")
        await screen.until(lambda: "word5" in screen.text())
        assert "Writing" in screen.text()
        assert "tokens/s" in screen.text()
        assert backend.history_path is not None
        other = History(backend.history_path)
        (session,) = other.sessions(project)
        await screen.until(lambda: "word9" in other.messages.branch(session.id)[1].text)
        assert other.messages.branch(session.id)[1].state is State.WRITING
        other.close()


async def test_escape_stops_at_once_and_keeps_what_was_written(backend: FakeBackend, project: Path) -> None:
    backend.engine.pause = 0.02
    backend.engine.answers.append(" ".join(f"word{number}" for number in range(1000)))
    async with running(backend, project) as screen:
        await screen.type("go\n")
        await screen.until(lambda: "word5" in screen.text())
        await screen.press("escape")
        assert not screen.app.answering.busy
        answer = screen.app.talk.branch[1]
        assert answer.state is State.STOPPED
        assert answer.text.startswith("word0 word1 ")
        assert "Stopped." in screen.text()
        await screen.say("again")
        assert screen.messages[2:] == ["again", "I know nothing more."]


async def test_leaving_keeps_what_was_written(backend: FakeBackend, project: Path) -> None:
    backend.engine.pause = 0.02
    backend.engine.answers.append(" ".join(f"word{number}" for number in range(1000)))
    async with running(backend, project) as screen:
        await screen.type("go\n")
        await screen.until(lambda: "word9" in screen.text())
        await screen.press("ctrl+q")
        await screen.until(lambda: screen.app._exit)
    assert backend.history_path is not None
    history = History(backend.history_path)
    _, answer = history.messages.branch(history.sessions(project)[0].id)
    assert answer.state is State.STOPPED
    assert "word9" in answer.text


async def test_prefill_is_told_and_stopped(backend: FakeBackend, project: Path) -> None:
    backend.engine.read_step = 0.1
    async with running(backend, project) as screen:
        screen.app.prompt.write("".join(f"line {number} of a long message\n" for number in range(250)))
        await screen.press("enter")
        await screen.until(lambda: "Reading ━" in screen.text())
        await screen.press("escape")
        assert screen.app.talk.branch[1].state is State.STOPPED
        backend.engine.read_step = 0.0
        await screen.say("Short.")
        # The question that was never answered is not asked again: speakers take turns.
        assert "line 3" not in backend.engine.prompts[-1]


async def test_keys_typed_after_enter_belong_to_the_next_message(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await screen.pilot.press(*"one", "enter", *"two")
        await screen.until(lambda: screen.messages[:1] == ["one"])
        assert screen.app.prompt.text == "two"


async def test_a_message_is_not_sent_into_an_answer(backend: FakeBackend, project: Path) -> None:
    backend.engine.pause = 0.05
    backend.engine.answers.append("word " * 1000)
    async with running(backend, project) as screen:
        await screen.type("go\n")
        await screen.until(lambda: "word" in screen.text())
        await screen.type("next\n")
        assert screen.app.prompt.text == "next"
        assert "Esc stops it" in screen.told
        assert len(screen.messages) == 2


async def test_an_answer_is_regenerated_beside_the_first_and_branches_are_turned(
    backend: FakeBackend, project: Path
) -> None:
    backend.engine.answers += ["first answer", "second answer"]
    async with running(backend, project) as screen:
        await screen.say("question")
        await screen.press("ctrl+r")
        await screen.until(lambda: screen.messages == ["question", "second answer"] and not screen.app.answering.busy)
        assert "◂ 2/2 ▸" in screen.text()
        await screen.press("ctrl+up", "left")
        await screen.until(lambda: "first answer" in screen.text())
        assert "◂ 1/2 ▸" in screen.text()
        await screen.press("right")  # the focus stays, so that branches can be leafed through
        await screen.until(lambda: "second answer" in screen.text())


async def test_an_edited_message_is_sent_beside_the_first(backend: FakeBackend, project: Path) -> None:
    backend.engine.answers += ["about pears", "about apples"]
    async with running(backend, project) as screen:
        await screen.say("What of pears?")
        await screen.press("ctrl+up", "ctrl+up", "e")
        assert screen.app.prompt.text == "What of pears?"
        screen.app.prompt.write("What of apples?")
        await screen.press("enter")
        await screen.until(lambda: screen.messages == ["What of apples?", "about apples"])
        assert "pears" not in backend.engine.prompts[-1]
        assert "◂ 2/2 ▸" in screen.text()


async def test_leaving_an_edit_changes_nothing(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await screen.say("one")
        await screen.press("ctrl+up", "ctrl+up", "e", "escape")
        assert screen.app.prompt.text == ""
        await screen.say("two")
        assert screen.messages[0::2] == ["one", "two"]


async def test_an_engine_that_fails_says_so_and_the_session_goes_on(backend: FakeBackend, project: Path) -> None:
    backend.engine.answers += [EngineError("The model's output is not a number."), RuntimeError("native [bold]"), "ok"]
    async with running(backend, project) as screen:
        await screen.say("one")
        assert "not a number" in screen.text()
        await screen.say("two")
        assert "RuntimeError" in screen.told
        await screen.say("three")
        assert screen.messages[-1] == "ok"


async def test_a_question_waits_for_a_model_that_is_still_loaded(backend: FakeBackend, project: Path) -> None:
    backend.may_load.clear()
    async with running(backend, project) as screen:
        await screen.type("early\n")
        await screen.until(lambda: screen.app.answering.busy)
        assert screen.app.models.open is None
        assert "Loading" in screen.text()
        backend.may_load.set()
        await screen.until(lambda: not screen.app.answering.busy)
        assert screen.messages == ["early", "I know nothing more."]
        assert backend.history_path is not None
    assert [each.title for each in History(backend.history_path).sessions()] == ["early"]


async def test_an_answer_goes_on_when_the_history_comes_after_it(backend: FakeBackend, project: Path) -> None:
    backend.may_begin.clear()
    app = ChatApp(project, None, backend)
    async with app.run_test() as pilot:
        screen = Screen(app, pilot)
        await screen.type("early\n")
        await screen.until(lambda: len(screen.messages) == 2)
        backend.engine.pause = 0.02
        backend.engine.answers.append("word " * 50)
        backend.may_begin.set()
        await screen.until(lambda: not app.answering.busy)
        assert screen.messages == ["early", "word " * 50]
        assert "word word" in screen.text()
        assert "50 tokens" in screen.text() or "51 tokens" in screen.text()
        assert backend.history_path is not None
        other = History(backend.history_path)
        assert [each.text for each in other.messages.branch(other.sessions(project)[0].id)] == screen.messages
        other.close()


async def test_a_model_that_cannot_be_loaded_says_why(backend: FakeBackend, project: Path) -> None:
    backend.failure = EngineError("llama.cpp cannot load it [/bold]; fetch it again.")
    async with running(backend, project) as screen:
        await screen.until(lambda: "fetch it again" in screen.told)
        await screen.type("hello\n")
        await screen.until(lambda: not screen.app.answering.busy and len(screen.messages) == 2)
        assert "cannot load it" in screen.text()


async def test_reading_back_is_not_disturbed_by_what_is_written(backend: FakeBackend, project: Path) -> None:
    backend.engine.answers.append("\n\n".join(f"old paragraph {number}" for number in range(60)))
    async with running(backend, project) as screen:
        await screen.say("first")
        backend.engine.pause = 0.02
        backend.engine.answers.append("\n\n ".join(f"new{number}" for number in range(2000)))
        await screen.type("second\n")
        await screen.until(lambda: "new9" in screen.text())
        transcript = screen.app.transcript
        assert transcript.scroll_y == transcript.max_scroll_y
        transcript.scroll_relative(y=-30, animate=False)
        await screen.pilot.pause(0.1)
        at, top = transcript.scroll_y, screen.text().splitlines()[1:4]
        written = len(screen.app.answering.text)
        await screen.until(lambda: len(screen.app.answering.text) > written + 100)
        assert (transcript.scroll_y, screen.text().splitlines()[1:4]) == (at, top)
        transcript.scroll_end(animate=False)
        await screen.until(lambda: transcript.scroll_y == transcript.max_scroll_y)
        await asyncio.sleep(0.3)
        await screen.until(lambda: transcript.scroll_y == transcript.max_scroll_y)


async def test_a_disk_that_fills_loses_nothing_on_the_screen(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await screen.say("before")
        database = screen.app.talk.history._database
        pages = database.rows("PRAGMA page_count")[0][0]
        database.rows(f"PRAGMA max_page_count = {pages}")
        backend.engine.answers.append("pear " * 100_000)
        await screen.say("after" + " x" * 5000)
        assert "disk is full" in screen.told
        assert screen.messages[0] == "before"
        assert screen.messages[-1].startswith("pear pear")
        await screen.say("and on")
        assert screen.messages[-2] == "and on"
        assert not screen.app.talk.history.kept


async def test_a_history_of_a_newer_version_is_left_alone_and_the_chat_goes_on(
    backend: FakeBackend, project: Path
) -> None:
    assert backend.history_path is not None
    History(backend.history_path).close()
    with sqlite3.connect(backend.history_path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    async with running(backend, project) as screen:
        await screen.until(lambda: "newer sned" in screen.told)
        await screen.say("hello")
        assert screen.messages == ["hello", "I know nothing more."]
