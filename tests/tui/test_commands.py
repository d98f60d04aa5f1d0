"""Every command, as it is typed."""

import subprocess
from pathlib import Path

import pytest

from assistant.chat.types import Role
from assistant.manifest import PERPLEXITY_RATIO
from assistant.store import Store
from tests.assistant.test_store import install_base, install_submodel, submodel_manifest
from tests.tui.fakes import FakeBackend
from tests.tui.running import Screen, running
from tui.backend import LocalBackend
from tui.commands.registry import COMMANDS
from tui.screens.help import Help
from tui.screens.models import ModelPicker
from tui.screens.question import Question
from tui.screens.sessions import SessionList

pytestmark = pytest.mark.asyncio


async def do(screen: Screen, line: str) -> None:
    """Types a command and sends it, past the list of completions."""
    screen.app.prompt.write(line)
    await screen.press("escape", "enter")
    await screen.pilot.pause(0.05)


async def test_there_is_a_test_for_every_command() -> None:
    text = Path(__file__).read_text() + Path(__file__).with_name("test_code_commands.py").read_text()
    text += Path(__file__).with_name("test_first_run.py").read_text()
    missing = [each.name for each in COMMANDS if f'"/{each.name}' not in text]
    assert not missing


async def test_sessions_are_begun_named_pinned_and_exported(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await screen.say("first question")
        await do(screen, "/rename All about pears")
        assert "All about pears" in screen.text().splitlines()[0]
        await do(screen, "/pin")
        assert screen.app.talk.history.sessions(project)[0].pinned
        await do(screen, "/pin")
        assert not screen.app.talk.history.sessions(project)[0].pinned
        await do(screen, "/export")
        exported = project / "chat-all-about-pears.md"
        assert "first question" in exported.read_text()
        await do(screen, "/export")
        assert "is there already" in screen.told
        await do(screen, "/export talks/other.md")
        assert (project / "talks" / "other.md").read_text() == exported.read_text()
        await do(screen, "/new")
        assert screen.messages == []
        await screen.say("second question")
        await do(screen, "/clear")
        assert screen.messages == []
        assert len(screen.app.talk.history.sessions(project)) == 2


async def test_retry_and_edit_work_on_the_last_question(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        for command in ("/retry", "/edit"):
            await do(screen, command)
            assert "Nothing has been asked" in screen.told
        screen.app.prompt.text = ""
        await screen.say("question")
        backend.engine.answers.append("another answer")
        await do(screen, "/retry")
        await screen.until(lambda: screen.messages == ["question", "another answer"])
        await screen.until(lambda: not screen.app.answering.busy)
        await do(screen, "/edit")
        assert screen.app.prompt.text == "question"


async def test_a_session_is_deleted_after_a_question(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await do(screen, "/delete")
        assert "Nothing has been said" in screen.told
        screen.app.prompt.text = ""
        await screen.say("question")
        await do(screen, "/delete")
        assert isinstance(screen.app.screen, Question)
        await screen.press("n")
        assert len(screen.app.talk.history.sessions()) == 1
        await do(screen, "/delete")
        await screen.press("y")
        await screen.until(lambda: screen.messages == [])
        assert screen.app.talk.history.sessions() == []


async def test_sessions_are_searched_and_opened_where_the_words_are(backend: FakeBackend, project: Path) -> None:
    backend.engine.answers += ["about pears", "about apples"]
    async with running(backend, project) as screen:
        await screen.say("one")
        await do(screen, "/new")
        await screen.say("two")
        await do(screen, "/sessions pears")
        assert isinstance(screen.app.screen, SessionList)
        assert "about pears" in screen.text()
        assert "1 messages" not in screen.text()
        assert screen.text().count("2 messages") == 1
        await screen.press("enter")
        await screen.until(lambda: screen.messages == ["one", "about pears"])
        assert "about pears" in screen.text()


async def test_system_prompt_and_parameters_are_the_sessions(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await do(screen, "/system Answer in verse.")
        await do(screen, "/params temperature=0 max_tokens=99 seed=7 top_p=0.5 top_k=3 min_p=0.1")
        assert "temperature=0.0, " in screen.told
        await screen.say("hello")
        assert "<|system|>Answer in verse.<|end|>" in backend.engine.prompts[-1]
        sampling = backend.engine.samplings[-1]
        assert (sampling.temperature, sampling.max_tokens, sampling.seed) == (0.0, 99, 7)
        assert (sampling.top_p, sampling.top_k, sampling.min_p) == (0.5, 3, 0.1)
        await do(screen, "/params default")
        await do(screen, "/system default")
        await screen.say("hello")
        assert "verse" not in backend.engine.prompts[-1]
        assert backend.engine.samplings[-1].max_tokens == 1024
        await do(screen, "/system")
        assert screen.app.prompt.text.startswith("/system You are")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/params heat=1", "no parameter 'heat'"),
        ("/params temperature=hot", "temperature cannot be 'hot'"),
        ("/params top_p=2", "from 0 to 1"),
        ("/params max_tokens=0", "max_tokens cannot be '0'"),
        ("/nonsense", "no command /nonsense"),
        ("/mdel", "did you mean /model"),
        ("/theme nonsense", "no theme 'nonsense'"),
        ("/rename", "needs a title"),
        ("/attach", "needs a file"),
        ("/attach nothing.py", "There is no nothing.py"),
        ("/run", "needs a command"),
        ("/diff", "git cannot tell"),
    ],
)
async def test_what_cannot_be_done_says_why_and_can_be_mended(
    line: str, message: str, backend: FakeBackend, project: Path
) -> None:
    async with running(backend, project) as screen:
        if line == "/rename":
            await screen.say("x")
        await do(screen, line)
        await screen.until(lambda: message in screen.told)
        assert screen.app.prompt.text == line


async def test_a_model_is_chosen_by_name_or_from_the_list(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await screen.say("hello")
        await do(screen, "/model fake-python-50")
        await screen.until(lambda: "Ready" in screen.text() and "fake-python-50" in screen.text())
        assert screen.app.talk.history.session(screen.app.talk.number or 0).settings.model == "fake-python-50"
        await do(screen, "/model")
        assert isinstance(screen.app.screen, ModelPicker)
        shown = screen.text()
        assert "600 MB" in shown
        assert "50%" in shown
        assert "Python" in shown
        await screen.press("up", "enter")
        await screen.until(lambda: backend.opened[-1] == "fake-0.5b")
        await do(screen, "/model default")
        await screen.until(lambda: backend.opened[-1] is None)
        await do(screen, "/model nonsense")
        await screen.until(lambda: "no model nonsense" in screen.told)


async def test_context_says_what_takes_how_much(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await screen.until(lambda: screen.app.models.open is not None)
        await screen.say("x" * 400)
        await do(screen, "/context")
        assert "Of 4,096 tokens" in screen.told
        assert "messages 105" in screen.told


async def test_files_diffs_and_outputs_are_attached(backend: FakeBackend, project: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    subprocess.run(["git", "add", "."], cwd=project, check=True)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, "commit", "-qm", "first"], cwd=project, check=True)
    (project / "basket.py").write_text("changed = True\n")
    async with running(backend, project) as screen:
        await do(screen, "/attach basket.py")
        await do(screen, "/diff")
        await do(screen, "/run printf '\\033[31mfailed\\033[0m'; exit 3")
        await screen.until(lambda: len(screen.app.attaching.standing) == 3)
        await screen.until(lambda: "basket.py" in screen.text() and "the git diff" in screen.text())
        await screen.say("review")
        prompt = backend.engine.prompts[-1]
        assert "changed = True" in prompt
        assert "+changed = True" in prompt
        assert "failed\n[exit status 3]" in prompt
        assert "\x1b" not in prompt
        assert screen.app.attaching.standing == []
        await do(screen, "/attach basket.py")
        await do(screen, "/detach")
        await screen.say("again @output")
        assert backend.engine.prompts[-1].count("[exit status 3]") == 2


async def test_themes_are_turned_and_named(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await do(screen, "/theme")
        assert screen.app.theme == "textual-light"
        await do(screen, "/theme dark")
        assert screen.app.theme == "textual-dark"
        await do(screen, "/theme nord")
        assert screen.app.theme == "nord"


async def test_help_lists_every_command_and_key(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project, size=(120, 200)) as screen:
        await do(screen, "/help")
        assert isinstance(screen.app.screen, Help)
        shown = screen.text()
        for command in COMMANDS:
            assert f"/{command.name} " in shown
        for name in ("retry", "prompt.send", "message.edit", "review.apply", "sessions.pin"):
            assert name in shown
        await screen.press("escape")
        assert not isinstance(screen.app.screen, Help)


async def test_quit_leaves(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await do(screen, "/quit")
        await screen.until(lambda: not screen.app.is_running or screen.app._exit)


async def test_two_slashes_begin_a_message(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await screen.say("//etc is a folder")
        assert screen.messages[0] == "/etc is a folder"


async def test_the_palette_does_commands(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await screen.say("hello")
        await screen.press("ctrl+p")
        await screen.type("/clear")
        await screen.pilot.pause(0.3)
        await screen.press("enter")
        await screen.until(lambda: screen.messages == [])
        await screen.press("ctrl+p")
        await screen.type("/rename")
        await screen.pilot.pause(0.3)
        await screen.press("enter")
        await screen.until(lambda: screen.app.prompt.text == "/rename ")


async def test_commands_are_completed(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await screen.until(lambda: screen.app.models.rows)
        await screen.type("/ren")
        assert "give the session a title" in screen.text()
        await screen.press("tab")
        assert screen.app.prompt.text == "/rename "
        screen.app.prompt.text = ""
        await screen.type("/model py")
        assert "fake-python-50" in screen.text()
        await screen.press("enter", "enter")
        await screen.until(lambda: backend.opened[-1:] == ["fake-python-50"])


async def test_names_are_completed_and_attached(backend: FakeBackend, project: Path) -> None:
    (project / "[bold]odd\x1b name.txt").write_text("odd\n")
    async with running(backend, project) as screen:
        await screen.type("see @bask")
        await screen.until(lambda: "basket.py  ~" in screen.text())
        await screen.press("down", "up", "tab")
        await screen.type("and @odd")
        await screen.until(lambda: "[bold]odd␛ name.txt" in screen.text())
        await screen.press("enter")
        await screen.until(lambda: "basket.py 18 " in screen.text())
        assert screen.app.prompt.text == 'see @basket.py and @"[bold]odd␛ name.txt" '
        await screen.press("enter")
        await screen.until(lambda: len(screen.messages) == 2 and not screen.app.answering.busy)
        assert [each.name for each in screen.app.talk.branch[0].attachments] == ["basket.py", "[bold]odd\x1b name.txt"]
        assert "def count(pears)" in backend.engine.prompts[-1]
        assert "see `basket.py` and" in backend.engine.prompts[-1]
        assert "You  with basket.py, [bold]odd␛ name.txt" in screen.text()


async def test_escape_hides_the_list_and_symbols_are_found(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        await screen.type("@basket.py#")
        await screen.until(lambda: screen.app.completing.list.display and screen.app.completing.index.symbols)
        await screen.press("escape")
        assert not screen.app.completing.list.display
        await screen.type("cou")
        await screen.until(lambda: screen.app.completing.list.display)
        await screen.press("enter")
        assert screen.app.prompt.text == "@basket.py#count "


async def test_what_is_too_long_is_cut_with_a_notice(backend: FakeBackend, project: Path) -> None:
    (project / "long.py").write_text("".join(f"value_{number} = {number}\n" for number in range(3000)))
    async with running(backend, project) as screen:
        await screen.say("what is in @long.py ?")
        assert screen.app.talk.last(Role.ASSISTANT).details.notice.startswith("Left out")  # type: ignore[union-attr]
        assert "the end of long.py" in screen.text()
        assert "value_1 = 1" in backend.engine.prompts[-1]
        assert "value_2999" not in backend.engine.prompts[-1]


async def test_the_chat_begins_with_what_was_given(backend: FakeBackend, project: Path) -> None:
    given = {
        "piped": b"diff --git a/x b/x\n+piped\n",
        "files": (project / "basket.py",),
        "system": "Be brief.",
        "model": "fake-python-50",
    }
    async with running(backend, project, **given) as screen:
        await screen.until(lambda: "standard input" in screen.text() and screen.app.models.open is not None)
        assert backend.opened == ["fake-python-50"]
        await screen.say("review")
        (asked, _) = screen.app.talk.branch
        assert [each.name for each in asked.attachments] == ["standard input", (project / "basket.py").as_posix()]
        assert screen.app.talk.settings.system == "Be brief."


async def test_the_list_of_models_has_the_quality_that_was_measured(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "home")
    install_base(store, "qwen2.5-coder-0.5b-instruct")
    measured = submodel_manifest("measured").model_copy(update={"quality": {PERPLEXITY_RATIO: 1.374}})
    install_submodel(store, measured)
    install_submodel(store, submodel_manifest("unknown", "cd" * 32))
    monkeypatch.setenv("SNED_HOME", str(tmp_path / "home"))
    rows = LocalBackend(project).models()
    picker = ModelPicker(rows, {"measured": 25.0}, "")
    lines = {row.name: picker._line(row).plain.split() for row in rows}
    assert lines["measured"][-3:] == ["1.37", "25", "tok/s"]
    assert lines["unknown"][-2:] == ["-", "-"]
    assert lines["qwen2.5-coder-0.5b-instruct"][-2:] == ["1.00", "-"]
