"""Sessions are listed, found, changed and deleted; a database that cannot be used says why."""

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assistant.chat.attaching import of_file
from assistant.chat.types import Role
from tui.history.database import Database
from tui.history.errors import HistoryError
from tui.history.exporting import to_markdown
from tui.history.store import History
from tui.history.types import Details, SessionSettings, State

PROJECT, OTHER = Path("/projects/pears"), Path("/projects/apples")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat" / "history.sqlite3"


@pytest.fixture
def history(path: Path) -> History:
    return History(path)


def talk(history: History, project: Path, *texts: str) -> tuple[int, list[int]]:
    session = history.create(project)
    parent, numbers = None, []
    for place, text in enumerate(texts):
        role = (Role.USER, Role.ASSISTANT)[place % 2]
        parent = history.messages.add(session, parent, role, text)
        if role is Role.ASSISTANT:
            history.messages.write(parent, text, State.WHOLE)
        numbers.append(parent)
    return session, numbers


def test_a_session_is_as_it_was_when_it_is_opened_again(path: Path) -> None:
    history = History(path)
    session = history.create(PROJECT, SessionSettings("m", "Be brief.", {"temperature": 0.0}))
    asked = history.messages.add(session, None, Role.USER, "What is  x?\nSay.", [of_file("x.py", "x = 1\n")])
    answer = history.messages.add(session, asked, Role.ASSISTANT, "")
    history.messages.write(answer, "It is 1.", State.WHOLE, Details("m", "left out", 10, 3, 20.5))
    history.close()
    history = History(path)
    found = history.session(session)
    assert (found.title, found.messages, found.pinned, found.project) == ("What is x? Say.", 2, False, str(PROJECT))
    assert found.settings == SessionSettings("m", "Be brief.", {"temperature": 0.0})
    first, second = history.messages.branch(session)
    assert (first.text, first.role, first.state, first.parent) == ("What is  x?\nSay.", Role.USER, State.WHOLE, None)
    assert first.attachments == (of_file("x.py", "x = 1\n"),)
    assert (second.text, second.state, second.parent) == ("It is 1.", State.WHOLE, asked)
    assert second.details == Details("m", "left out", 10, 3, 20.5)


def test_sessions_are_listed_by_project_pinned_first_then_newest(history: History) -> None:
    first, _ = talk(history, PROJECT, "first")
    second, _ = talk(history, PROJECT, "second")
    other, _ = talk(history, OTHER, "other")
    assert [each.id for each in history.sessions(PROJECT)] == [second, first]
    assert [each.id for each in history.sessions()] == [other, second, first]
    history.pin(first, True)
    assert [each.id for each in history.sessions(PROJECT)] == [first, second]
    history.pin(first, False)
    history.messages.add(first, None, Role.USER, "again")
    assert [each.id for each in history.sessions(PROJECT)] == [first, second]


def test_all_words_of_a_search_are_found_by_their_beginnings(history: History) -> None:
    session, numbers = talk(
        history, PROJECT, "How do I bake a pear cake?", "Preheat the *oven*: Crème brûlée is harder."
    )
    talk(history, OTHER, "A pear tree")
    assert [each.message for each in history.search("OVEN preh", PROJECT)] == [numbers[1]]
    assert [each.message for each in history.search("creme brulee")] == [numbers[1]]
    assert "oven" in history.search("oven")[0].excerpt
    assert not history.search("oven tree")
    assert {each.session.project for each in history.search("pear")} == {str(PROJECT), str(OTHER)}
    assert {each.session.project for each in history.search("pear", PROJECT)} == {str(PROJECT)}
    assert [each.session.id for each in history.search("", PROJECT)] == [session]


@pytest.mark.parametrize("text", ['"', "a AND", "NEAR(", "x*", "col:y", "' OR 1=1 --", "(", "-x", "^"])
def test_the_words_of_a_search_are_words_and_no_language(history: History, text: str) -> None:
    talk(history, PROJECT, "nothing here")
    history.search(text)


def test_text_that_was_changed_is_found_by_what_it_is_now(history: History) -> None:
    _, (number,) = talk(history, PROJECT, "pears")
    history.messages.write(number, "apples", State.WHOLE)
    assert [each.message for each in history.search("apples") if each.message] == [number]
    assert not [each for each in history.search("pears") if each.message]


def test_a_title_of_the_users_stays_and_is_found(history: History) -> None:
    session, _ = talk(history, PROJECT, "hello")
    history.rename(session, "  The 100% pear\nplan ")
    history.messages.add(session, None, Role.USER, "more")
    assert history.session(session).title == "The 100% pear plan"
    assert [(each.session.id, each.message) for each in history.search("plan")] == [(session, None)]


def test_a_deleted_session_leaves_nothing(history: History, path: Path) -> None:
    session, (number, _) = talk(history, PROJECT, "secret pear", "secret answer")
    history.delete(session)
    assert history.sessions() == []
    assert history.search("secret") == []
    with pytest.raises(HistoryError, match="no session"):
        history.session(session)
    with pytest.raises(HistoryError, match="deleted elsewhere"):
        history.messages.add(session, None, Role.USER, "x")
    rest, _ = talk(history, PROJECT, "x")
    with pytest.raises(HistoryError, match="deleted elsewhere"):
        history.messages.add(rest, number, Role.USER, "x")


def test_two_programs_may_use_one_file(history: History, path: Path) -> None:
    other = History(path)
    session, (first,) = talk(history, PROJECT, "one")
    answer = other.messages.add(session, first, Role.ASSISTANT, "from the other")
    history.messages.add(session, first, Role.ASSISTANT, "from this")
    assert [each.text for each in other.messages.branch(session)] == ["one", "from this"]
    other.messages.show(answer)
    assert [each.text for each in history.messages.branch(session)] == ["one", "from the other"]


def test_programs_that_begin_a_file_at_the_same_moment_all_open_it(tmp_path: Path) -> None:
    programs = 8
    with ThreadPoolExecutor(programs) as pool:
        for number in range(60):  # without waiting for each other about one round in fifteen failed
            together = threading.Barrier(programs)

            def begin(path: Path, together: threading.Barrier = together) -> None:
                together.wait()
                History(path).close()

            for opened in [pool.submit(begin, tmp_path / f"{number}.sqlite3") for _ in range(programs)]:
                opened.result()


def test_markdown_has_settings_messages_and_attachments(history: History) -> None:
    session = history.create(PROJECT, SessionSettings(system="Be brief."))
    asked = history.messages.add(session, None, Role.USER, "Look", [of_file("<x>.py", "x = 1\n")])
    answer = history.messages.add(session, asked, Role.ASSISTANT, "")
    history.messages.write(answer, "See:\n```python\nx = 2", State.STOPPED, Details("model-1"))
    text = to_markdown(history.session(session), history.messages.branch(session))
    assert text.startswith("# Look\n\nProject `/projects/pears`")
    assert "## System\n\nBe brief." in text
    assert "<summary>&lt;x&gt;.py</summary>\n\nFrom `<x>.py`:\n\n```python\nx = 1\n```\n\n</details>\n\nLook" in text
    assert text.endswith("## Assistant (model-1)\n\nSee:\n```python\nx = 2\n```\n\n*(unfinished)*\n")


def test_only_its_owner_can_read_it(history: History, path: Path) -> None:
    talk(history, PROJECT, "secret")
    modes = {each.name: each.stat().st_mode & 0o077 for each in path.parent.iterdir()}
    assert modes == dict.fromkeys(modes, 0)


def test_one_of_a_newer_version_is_left_alone(history: History, path: Path) -> None:
    history.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(HistoryError, match=r"newer sned \(version 99.*update sned"):
        History(path)
    assert path.read_bytes() == before


def test_an_older_one_gets_what_is_new_and_keeps_what_it_has(path: Path) -> None:
    history = History(path)
    session, _ = talk(history, PROJECT, "old")
    history.close()
    from tui.history.schema import MIGRATIONS

    newer = (*MIGRATIONS, "ALTER TABLE session ADD COLUMN mood TEXT;\nUPDATE session SET mood = 'good';")
    database = Database(path, newer)
    assert database.rows("SELECT mood FROM session WHERE id = ?", session) == [("good",)]
    assert database.rows("PRAGMA user_version") == [(len(newer),)]
    database.close()
    with pytest.raises(HistoryError, match="newer sned"):
        History(path)


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    history = History(path)
    talk(history, PROJECT, "old")
    history.close()
    from tui.history.schema import MIGRATIONS

    broken = (*MIGRATIONS, "DROP TABLE attachment;\nDROP TABLE nonsense;")
    with pytest.raises(HistoryError, match="nonsense"):
        Database(path, broken)
    again = History(path)
    assert [each.title for each in again.sessions()] == ["old"]
    session, _ = talk(again, PROJECT, "goes on")
    assert again.messages.branch(session)[0].attachments == ()


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("not a database, but long enough to be read as one " * 100)
    before = path.read_bytes()
    with pytest.raises(HistoryError, match=r"damaged.*move the file away"):
        History(path)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HistoryError, match="SNED_HOME"):
        History(tmp_path / "file" / "history.sqlite3")


OPENS_AS_NOBODY = """
import os, sys
from pathlib import Path
from tui.history.errors import HistoryError
from tui.history.store import History
History(None).close()  # all that is needed is loaded while it may be read
if os.geteuid() == 0:
    os.setuid(65534)  # root may write anything
try:
    History(Path(sys.argv[1]))
except HistoryError as error:
    print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="permissions are otherwise there")
def test_a_read_only_file_says_so_and_is_left_alone() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is not to be entered by others
        path = Path(folder) / "chat" / "history.sqlite3"
        history = History(path)
        talk(history, PROJECT, "before")
        history.close()
        if os.geteuid() == 0:
            for each in (Path(folder), *Path(folder).rglob("*")):
                os.chown(each, 65534, 65534)
        path.chmod(0o400)
        before = path.read_bytes()
        run = subprocess.run(
            [sys.executable, "-c", OPENS_AS_NOBODY, path], capture_output=True, text=True, timeout=60, check=False
        )
        assert "cannot be written; change its permissions" in run.stdout, run.stderr
        assert path.read_bytes() == before


def test_after_a_full_disk_what_was_there_is_there_and_writing_goes_on(path: Path) -> None:
    """A limit of pages has SQLite fail just as a full disk does."""
    history = History(path)
    session, (first,) = talk(history, PROJECT, "before")
    pages = history._database.rows("PRAGMA page_count")[0][0]
    history._database.rows(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(HistoryError, match="disk is full"):
        history.messages.add(session, first, Role.ASSISTANT, "x" * 1_000_000)
    assert [each.text for each in history.messages.branch(session)] == ["before"]
    history._database.rows("PRAGMA max_page_count = 100000")
    history.messages.add(session, first, Role.ASSISTANT, "x" * 1_000_000)
    assert len(history.messages.branch(session)) == 2


def test_two_thousand_messages_are_opened_in_a_moment(history: History) -> None:
    import time

    session = history.create(PROJECT)
    parent = None
    for number in range(2000):
        parent = history.messages.add(session, parent, (Role.USER, Role.ASSISTANT)[number % 2], f"message {number}")
    started = time.perf_counter()
    branch = history.messages.branch(session)
    assert time.perf_counter() - started < 1
    assert [each.text for each in branch] == [f"message {number}" for number in range(2000)]
