"""What users are told of bad values on the command line."""

import pytest

from assistant.cli.app import main


@pytest.mark.parametrize("command", ["fetch", "build"])
def test_a_word_that_is_no_choice_is_named_with_the_choices(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--progress", "xml"]) == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert "Invalid value for '--progress': 'xml' is not one of 'text', 'json'." in shown
