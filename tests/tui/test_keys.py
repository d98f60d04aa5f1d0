"""Every key does what its name says; users may change them."""

from pathlib import Path

import pytest
from textual.binding import Binding

from assistant.errors import UsageError
from tests.tui.fakes import FakeBackend
from tests.tui.running import running
from tui.keys import named_keys
from tui.preferences import Preferences, load_preferences
from tui.screens.help import Help
from tui.screens.sessions import SessionList
from tui.widgets.message import MessageView


@pytest.mark.asyncio
async def test_new_lines_are_begun_and_messages_sent(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await screen.press("a", "ctrl+j", "b", "shift+enter", "c")
        assert screen.app.prompt.text == "a\nb\nc"
        await screen.press("enter")
        await screen.until(lambda: screen.messages[:1] == ["a\nb\nc"])


@pytest.mark.asyncio
async def test_an_empty_message_is_not_sent(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await screen.press("enter", "space", "ctrl+j", "enter")
        assert screen.messages == []


@pytest.mark.asyncio
async def test_messages_are_walked_through_and_the_prompt_is_found_again(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await screen.say("one")
        await screen.press("ctrl+up")
        assert screen.app.focused is screen.views[1]
        await screen.press("ctrl+up", "ctrl+up")
        assert screen.app.focused is screen.views[0]
        await screen.press("ctrl+down", "ctrl+down")
        assert screen.app.focused is screen.app.prompt
        await screen.press("ctrl+up", "escape")
        assert screen.app.focused is screen.app.prompt
        await screen.press("tab")
        assert isinstance(screen.app.focused, MessageView)


@pytest.mark.asyncio
async def test_page_keys_scroll_the_conversation_while_something_is_written(
    backend: FakeBackend, project: Path
) -> None:
    backend.engine.answers.append("\n\n".join(f"Paragraph {number}." for number in range(60)))
    async with running(backend, project) as screen:
        await screen.say("question")
        await screen.type("half a message")
        await screen.until(lambda: "Paragraph 59." in screen.text())
        await screen.press("pageup", "pageup")
        await screen.until(lambda: "Paragraph 59." not in screen.text())
        assert screen.app.focused is screen.app.prompt
        await screen.press("pagedown", "pagedown")
        await screen.until(lambda: "Paragraph 59." in screen.text())
        assert screen.app.prompt.text == "half a message"


@pytest.mark.asyncio
async def test_a_message_of_the_users_is_answered_once_more(backend: FakeBackend, project: Path) -> None:
    backend.engine.answers += ["first", "second"]
    async with running(backend, project) as screen:
        await screen.say("question")
        await screen.press("ctrl+up", "ctrl+up", "r")
        await screen.until(lambda: screen.messages == ["question", "second"])


@pytest.mark.asyncio
async def test_new_sessions_help_and_the_list_have_keys(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await screen.say("one")
        await screen.press("ctrl+n")
        assert screen.messages == []
        await screen.press("f1")
        assert isinstance(screen.app.screen, Help)
        await screen.press("f1")
        await screen.press("ctrl+o")
        assert isinstance(screen.app.screen, SessionList)
        await screen.press("escape")
        await screen.press("ctrl+q")
        await screen.until(lambda: screen.app._exit)


@pytest.mark.asyncio
async def test_the_list_of_sessions_is_worked_with(backend: FakeBackend, project: Path, tmp_path: Path) -> None:
    async with running(backend, project) as screen:
        history = screen.app.talk.history
        for title in ("apples", "pears", "plums"):
            await screen.say(title)
            await screen.press("ctrl+n")
        other = history.create(tmp_path)
        history.rename(other, "elsewhere")
        await screen.press("ctrl+o")
        assert "elsewhere" not in screen.text()
        await screen.press("ctrl+g")
        assert "elsewhere" in screen.text()
        await screen.press("ctrl+g")
        await screen.press("down", "down", "ctrl+t")  # apples stand last
        assert [each.title for each in history.sessions(project)] == ["apples", "plums", "pears"]
        await screen.press("f2")
        await screen.type(" of Asia\n")
        assert history.sessions(project)[0].title == "apples of Asia"
        await screen.press("f2")
        await screen.type("nonsense")
        await screen.press("escape")
        assert "apples of Asia" in screen.text()
        assert "nonsense" not in screen.text()
        await screen.type("plum")
        assert "pears" not in screen.text().replace("sned chat  pears", "")
        await screen.press("ctrl+d", "y")
        await screen.until(lambda: len(history.sessions(project)) == 2)
        await screen.press("ctrl+o", "ctrl+x")
        await screen.until((project / "chat-apples-of-asia.md").exists)
        assert screen.messages[0] == "apples"


@pytest.mark.asyncio
async def test_keys_are_changed_and_shown(backend: FakeBackend, project: Path) -> None:
    preferences = Preferences(keys={"prompt.send": "ctrl+s", "retry": "f5", "help": "f9", "message.copy": "y"})
    async with running(backend, project, preferences=preferences) as screen:
        await screen.type("hello")
        await screen.press("enter")
        assert screen.messages == []
        assert screen.app.prompt.text == "hello"
        await screen.press("ctrl+s")
        await screen.until(lambda: len(screen.messages) == 2 and not screen.app.answering.busy)
        assert "^s Send" in screen.text()
        assert "f5 Regenerate" in screen.text()
        await screen.press("f5")
        await screen.until(lambda: len(backend.engine.prompts) == 2 and not screen.app.answering.busy)
        await screen.press("ctrl+up", "y")
        assert screen.app.clipboard == screen.messages[1]
        await screen.press("escape", "f9")
        assert isinstance(screen.app.screen, Help)


def test_every_key_has_a_name_of_its_own() -> None:
    names = [name for name, _, _ in named_keys({})]
    assert len(names) == len(set(names)) > 25
    assert ("retry", "f5", "Regenerate") in named_keys({"retry": "f5"})


def test_every_binding_can_be_changed() -> None:
    from tui.app import ChatApp

    unnamed = [each for each in ChatApp.BINDINGS if isinstance(each, Binding) and each.id is None]
    assert unnamed == []


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "chat.toml"
    monkeypatch.setattr("tui.preferences.preferences_file", lambda: path)
    return path


def test_preferences_are_read(file: Path) -> None:
    assert load_preferences() == Preferences()
    file.write_text('theme = "light"\n[keys]\nretry = "f5"\n')
    assert load_preferences() == Preferences("textual-light", {"retry": "f5"})
    assert load_preferences("nord").theme == "nord"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("theme = ", "cannot be read"),
        ('colour = "red"', "'colour'"),
        ("[keys]\nretry = 5", "retry = "),
        ('[keys]\nretyr = "f5"', "'retyr'.*did you mean retry"),
        ('theme = "nonsense"', "theme 'nonsense'"),
    ],
)
def test_bad_preferences_say_what_is_wrong(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        from tui.start import checked

        checked(load_preferences())
