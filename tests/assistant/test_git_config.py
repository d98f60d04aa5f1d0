"""The user's ignore file is the one that git would take."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.git_config import excludes_file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without configuration, on a system without any."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "project" / ".git").mkdir(parents=True)
    return tmp_path


def found(home: Path) -> Path | None:
    return excludes_file(home / "project" / ".git", lambda error: pytest.fail(str(error)))


def test_it_is_in_the_configuration_directory_unless_set(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(home) == home / ".config" / "git" / "ignore"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "elsewhere"))
    assert found(home) == home / "elsewhere" / "git" / "ignore"
    (home / ".gitconfig").write_text("[core]\n\texcludesFile = ~/mine\n")
    assert found(home) == home / "mine"
    (home / ".gitconfig").write_text("[core]\n\texcludesFile =\n")
    assert found(home) is None


def test_the_repositorys_setting_is_stronger_than_the_users(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".config" / "git").mkdir(parents=True)
    (home / ".config" / "git" / "config").write_text("[core] excludesFile = /first\n")
    assert found(home) == Path("/first")
    (home / ".gitconfig").write_text("[core] excludesFile = /second\n")
    assert found(home) == Path("/second")
    (home / "project" / ".git" / "config").write_text("[core] excludesFile = /third\n")
    assert found(home) == Path("/third")
    (home / "project" / ".git" / "config").unlink()
    (home / "other").write_text("[core] excludesFile = /fourth\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "other"))
    assert found(home) == Path("/fourth")


def test_included_files_count_where_they_are_included(home: Path) -> None:
    (home / ".gitconfig").write_text("[include]\n\tpath = more\n[include]\n\tpath = ~/absent\n")
    (home / "more").write_text("[core]\n\texcludesFile = /included\n[include]\n\tpath = more\n")  # itself, too
    assert found(home) == Path("/included")


def test_a_file_that_cannot_be_read_is_told_and_counts_as_empty(home: Path) -> None:
    (home / ".gitconfig").mkdir()
    errors: list[OSError] = []
    assert excludes_file(home / "project" / ".git", errors.append) == home / ".config" / "git" / "ignore"
    assert len(errors) == 1


LINES = [
    "[core]", "[CORE]", "[ core ]", '[core "sub"]', "[other]", "[core] excludesfile = /a", "excludesFile = /b",
    "EXCLUDESFILE=/c ; comment", "  excludesFile = \"/d # d\" # comment", "excludesfile = /e\\\\e",
    "excludesFile = /f\\", "  /f2", 'excludesFile = "/n\\', 'n"',
    "# comment \\", "; comment", 'excludesFile = /g "h  " i', "excludesFile = ~/j", "other = 1", "bare", "",
    'excludesFile = "/k\\"k"', "excludesFile = /l\\t", "   excludesFile = /m   ", "excludesFile-x = /n",
]  # fmt: skip


@pytest.mark.skipif(shutil.which("git") is None, reason="git is what the answers are compared with")
@given(st.lists(st.sampled_from(LINES), max_size=8).map(lambda lines: "\n".join(["[core]", *lines, "[other]"])))
def test_a_configuration_is_read_as_git_reads_it(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        patch.setenv("GIT_CONFIG_GLOBAL", str(folder / "config"))
        patch.setenv("HOME", str(folder))
        (folder / "config").write_text(text)
        git = subprocess.run(
            ["git", "config", "--global", "--type=path", "core.excludesFile"],
            cwd=folder,
            env=dict(os.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        if git.returncode not in (0, 1):  # a file that git refuses
            return
        default = folder / ".config" / "git" / "ignore"
        expected = Path(git.stdout.removesuffix("\n")) if git.returncode == 0 else default
        assert excludes_file(folder / "absent", lambda error: pytest.fail(str(error))) == expected
