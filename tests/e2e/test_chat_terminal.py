"""`sned chat` on a real terminal, tmux's, with the default model: what a user types and reads."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SNED = Path(sys.executable).with_name("sned")
_SECONDS = 90.0

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


class Terminal:
    """A terminal of 80 x 24 with a shell command in it."""

    def __init__(self, socket: Path, command: str, environment: dict[str, str]) -> None:
        self._tmux = ["tmux", "-S", str(socket), "-f", os.devnull]
        self._run("new-session", "-d", "-x", "80", "-y", "24", command, env={**os.environ, **environment})
        self._run("set-option", "-g", "remain-on-exit", "on")

    def screen(self) -> str:
        """What is on the screen."""
        return self._run("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        """Presses keys, by tmux's names."""
        self._run("send-keys", *keys)

    def type(self, text: str) -> None:
        """Types text."""
        self._run("send-keys", "-l", text)

    def until(self, condition: Callable[[str], object]) -> str:
        """Waits for the screen to be so; it comes back."""
        end = time.monotonic() + _SECONDS
        while not condition(screen := self.screen()):
            assert time.monotonic() < end, f"it did not come; the screen says:\n{screen}"
            time.sleep(0.1)
        return screen

    def until_left(self) -> None:
        """Waits for the program to end, and well; tmux does not always say how."""
        end = time.monotonic() + _SECONDS
        while (status := self._run("list-panes", "-F", "#{pane_dead} #{pane_dead_status}").split())[0] != "1":
            assert time.monotonic() < end, f"it did not end; the screen says:\n{self.screen()}"
            time.sleep(0.1)
        assert status[1:] in ([], ["0"])

    def end(self) -> None:
        """Ends it with what runs in it."""
        self._run("kill-server")

    def _run(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        command = [*self._tmux, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=env, check=True).stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "pears"
    folder.mkdir()
    (folder / "basket.py").write_text("def count(pears):\n    return len(pears)\n")
    return folder


@pytest.fixture
def begin(tmp_path: Path, base_model: Path, project: Path) -> Iterator[Callable[[str], Terminal]]:
    """Begins terminals with a command line in the project; the store has nothing but the default model."""
    home = tmp_path / "home"
    (home / "bases").mkdir(parents=True)
    (home / "bases" / base_model.parent.name).symlink_to(base_model.parent)
    environment = {"SNED_HOME": str(home), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    begun: list[Terminal] = []

    def terminal(command: str) -> Terminal:
        socket = tmp_path / f"tmux{len(begun)}"
        begun.append(Terminal(socket, f"cd {project} && {command}", environment))
        return begun[-1]

    yield terminal
    for each in begun:
        each.end()


def test_a_conversation_from_its_first_word_to_the_next_start(begin: Callable[[str], Terminal], project: Path) -> None:
    terminal = begin(f"{SNED} chat")
    terminal.until(lambda screen: "Ask about the project" in screen)
    terminal.type("Write a Python function add(a, b) that returns a + b. Answer with the code alone.")
    terminal.press("Enter")
    terminal.until(lambda screen: "1 python" in screen and "Ready" in screen)
    terminal.type("/save 1 sums.py")
    terminal.press("Enter")
    screen = terminal.until(lambda screen: "New file sums.py" in screen)
    assert "+def add(a, b):" in screen
    assert not (project / "sums.py").exists()
    terminal.press("y")
    terminal.until(lambda screen: "was changed" in screen)
    assert "def add(a, b):" in (project / "sums.py").read_text()
    terminal.press("C-q")
    terminal.until_left()
    again = begin(f"{SNED} chat --continue")
    again.until(lambda screen: "1 python" in screen and "def add(a, b):" in screen)


def test_names_are_completed_however_fast_one_types(begin: Callable[[str], Terminal]) -> None:
    terminal = begin(f"{SNED} chat")
    terminal.until(lambda screen: "Ready" in screen)
    terminal.type("Which functions are in @bask")
    terminal.until(lambda screen: "basket.py  ~" in screen)
    terminal.press("Tab")
    terminal.type("? Answer with their names alone.")
    terminal.press("Enter")
    screen = terminal.until(lambda screen: "tokens/s" in screen and "You  with basket.py" in screen)
    assert "Which functions are in @basket.py ? Answer with their names alone." in screen


def test_escape_stops_and_what_was_written_stays(begin: Callable[[str], Terminal]) -> None:
    terminal = begin(f"{SNED} chat")
    terminal.until(lambda screen: "Ask about the project" in screen)
    terminal.type("Write a very long story about pears.")
    terminal.press("Enter")
    terminal.until(lambda screen: "Writing" in screen)
    terminal.press("Escape")
    terminal.until(lambda screen: "Ready" in screen and "Stopped." in screen)


def test_what_is_piped_in_goes_with_the_first_message(begin: Callable[[str], Terminal]) -> None:
    terminal = begin(f"printf 'pears are green' | {SNED} chat")
    terminal.until(lambda screen: "with standard input" in screen and "Ready" in screen)
    terminal.type("What is green? Answer in one word.")
    terminal.press("Enter")
    terminal.until(lambda screen: "You  with standard input" in screen and "tokens/s" in screen)


def test_it_is_usable_inline_and_without_colour(begin: Callable[[str], Terminal]) -> None:
    terminal = begin(f"NO_COLOR=1 {SNED} chat --inline")
    terminal.until(lambda screen: "Ready" in screen)
    terminal.type("/help")
    terminal.press("Enter")
    terminal.until(lambda screen: "begin another session" in screen)
    terminal.press("Escape")
    terminal.press("C-q")
    terminal.until_left()


def test_without_a_terminal_it_says_what_to_do(project: Path) -> None:
    run = subprocess.run(
        [SNED, "chat"], cwd=project, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert run.returncode == 2
    assert "--prompt" in run.stderr
    assert run.stderr.count("\n") == 1
