"""`sned setup` as a user runs it, in a home of its own."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

SNED = Path(sys.executable).with_name("sned")
EDITORS = ["neovim", "vscode", "helix", "emacs", "vim", "sublime", "kate"]


def sned(home: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SNED, "setup", *arguments],
        env=os.environ | {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")},
        capture_output=True,
        text=True,
        input=stdin,
        check=False,
    )


def files(home: Path) -> dict[str, str]:
    return {str(each.relative_to(home)): each.read_text() for each in home.rglob("*") if each.is_file()}


@pytest.mark.parametrize("editor", EDITORS)
def test_what_is_printed_is_what_is_written(editor: str, tmp_path: Path) -> None:
    printed = sned(tmp_path, editor)
    assert printed.returncode == 0, printed.stderr
    assert files(tmp_path) == {}
    answer = json.loads(sned(tmp_path, editor, "--json").stdout)
    assert printed.stdout == "".join(each["text"] for each in answer["files"])
    written = sned(tmp_path, editor, "--write", "--yes")
    assert written.returncode == 0, written.stderr
    assert {str(tmp_path / name): text for name, text in files(tmp_path).items()} == {
        each["path"]: each["text"] for each in answer["files"]
    }
    again = sned(tmp_path, editor, "--write", "--yes")
    assert "is set up already" in again.stdout


def test_structured_configurations_parse(tmp_path: Path) -> None:
    for editor in EDITORS:
        sned(tmp_path, editor, "--write", "--yes")
    for name, text in files(tmp_path).items():
        if name.endswith((".json", ".sublime-settings")):
            assert json.loads(text)
        if name.endswith(".toml"):
            assert tomllib.loads(text)["language-server"]["sned"]["args"] == ["lsp"]


def test_nothing_is_written_without_a_yes(tmp_path: Path) -> None:
    refused = sned(tmp_path, "neovim", "--write", stdin="n\n")
    assert "Create " in refused.stderr
    assert "is not set up" in refused.stdout
    assert files(tmp_path) == {}
    assert sned(tmp_path, "neovim", "--write").returncode == 130  # nobody to ask
    assert files(tmp_path) == {}
    assert sned(tmp_path, "neovim", "--write", stdin="y\n").returncode == 0
    assert list(files(tmp_path)) == ["config/nvim/plugin/sned.lua"]


def test_a_file_that_can_be_added_to_keeps_its_text_and_a_backup(tmp_path: Path) -> None:
    init = tmp_path / ".emacs.d" / "init.el"
    init.parent.mkdir()
    init.write_text(";; mine\n")
    added = sned(tmp_path, "emacs", "--write", "--yes")
    assert added.returncode == 0, added.stderr
    assert init.read_text().startswith(";; mine\n\n;; sned")
    assert init.with_name("init.el.before-sned").read_text() == ";; mine\n"


@pytest.mark.parametrize(
    ("editor", "name"), [("helix", "config/helix/languages.toml"), ("neovim", "config/nvim/plugin/sned.lua")]
)
def test_other_files_are_left_alone(editor: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text("mine = true\n")
    refused = sned(tmp_path, editor, "--write", "--yes")
    assert refused.returncode == 2
    assert str(path) in refused.stderr
    assert files(tmp_path) == {name: "mine = true\n"}


def test_bad_calls_say_what_to_do(tmp_path: Path) -> None:
    unknown = sned(tmp_path, "nano")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "neovim, vscode, helix" in unknown.stderr
    assert sned(tmp_path, "neovim", "--yes").returncode == 2
