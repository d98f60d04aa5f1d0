"""What docs/chat.md says of commands, keys and options is so."""

import re
from pathlib import Path

import pytest
import typer

from tui.commands.registry import COMMANDS
from tui.keys import named_keys
from tui.preferences import load_preferences
from tui.start import checked

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "chat.md").read_text(encoding="utf-8")


def test_every_command_is_in_the_table_and_none_else() -> None:
    table = TEXT.partition("| command |")[2].partition("\n\n")[0]
    shown = set(re.findall(r"`/([a-z]+)", "\n".join(line.split("|")[1] for line in table.splitlines()[2:])))
    assert shown == {command.name for command in COMMANDS}


def test_the_preferences_shown_are_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = re.findall(r"^```toml\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "chat.toml").write_text(shown)
    monkeypatch.setattr("tui.preferences.preferences_file", lambda: tmp_path / "chat.toml")
    preferences = checked(load_preferences())
    assert preferences.theme == "textual-light"
    assert set(preferences.keys) < {name for name, _, _ in named_keys({})}


def test_every_option_shown_is_one() -> None:
    from assistant.cli.app import app

    command = typer.main.get_command(app).commands["chat"]  # type: ignore[attr-defined]
    options = {option for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"`(--[a-z-]+)", TEXT)) <= options
