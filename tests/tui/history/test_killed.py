"""A program that is killed while it writes leaves all that it had written before."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tui.history.store import History
from tui.history.types import State

# Each answer's text begins with the number of pieces it has, so that a torn one can be told.
WRITER = """
import sys
from pathlib import Path
from assistant.chat.types import Role
from tui.history.store import History
from tui.history.types import State

history = History(Path(sys.argv[1]))
session = history.create(Path("/project"))
parent = None
for number in range(10_000):
    parent = history.messages.add(session, parent, Role.USER, f"question {number}")
    parent = history.messages.add(session, parent, Role.ASSISTANT, "")
    for piece in range(1, 20):
        history.messages.write(parent, "word " * piece * 50)
    history.messages.write(parent, f"answer {number}", State.WHOLE)
    print(number, flush=True)
"""


@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_was_whole_is_lost_and_nothing_is_torn(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "history.sqlite3"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "0\n"
    time.sleep(random.Random(seed).uniform(0.0, 0.5))
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
    done = []
    for writer in writers:
        rest, _ = writer.communicate(timeout=30)
        done.append(max([0, *(int(line) for line in rest.splitlines() if line.strip().isdigit())]))
    history = History(path)
    sessions = sorted(history.sessions(), key=lambda session: session.id)
    assert len(sessions) == 2
    whole = []
    for session in sessions:
        branch = history.messages.branch(session.id)
        whole.append(sum(each.text.startswith("answer") for each in branch))
        for place, each in enumerate(branch):
            if each.state is State.WRITING:
                assert place == len(branch) - 1
                assert each.text == "word " * (len(each.text) // 5)
            else:
                assert each.text == f"{('question', 'answer')[place % 2]} {place // 2}"
    # What a writer had printed before it was killed, it had written.
    assert all(found >= printed + 1 for found, printed in zip(sorted(whole), sorted(done), strict=True))
    history.messages.add(sessions[0].id, None, history.messages.branch(sessions[0].id)[0].role, "goes on")
    history.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.execute("INSERT INTO message_text (message_text) VALUES ('integrity-check')")
    connection.close()
