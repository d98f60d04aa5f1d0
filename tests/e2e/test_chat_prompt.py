"""`sned chat --prompt` as a user runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SNED = Path(sys.executable).with_name("sned")


def chat(
    *arguments: str | Path, piped: bytes = b"", cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(
        [SNED, "chat", *arguments],
        check=False,
        input=piped,
        capture_output=True,
        timeout=300,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    return subprocess.CompletedProcess(run.args, run.returncode, run.stdout.decode(), run.stderr.decode())


@pytest.mark.model
def test_the_answer_goes_to_standard_output_and_the_summary_to_standard_error(base_model: Path, tmp_path: Path) -> None:
    run = chat(
        "-p", "Write a Python function add(a, b) that returns their sum.", "--model", base_model, "--temperature", "0"
    )
    assert run.returncode == 0
    assert "def add(a, b):" in run.stdout
    assert run.stdout.endswith("\n")
    assert "tokens/s" in run.stderr
    assert run.stderr.count("\n") == 1


@pytest.mark.model
def test_what_is_piped_in_and_attached_is_read(base_model: Path, tmp_path: Path) -> None:
    (tmp_path / "pears.py").write_text("def count_pears():\n    return 3\n")
    options = ("--model", base_model, "--max-tokens", "1", "--json")
    alone = json.loads(chat("-p", "Review it.", *options).stdout)
    piped = json.loads(chat("-p", "Review it.", *options, piped=b"diff --git a/x b/x\n+print('pears')\n").stdout)
    both = json.loads(
        chat("-p", "Review it.", "-a", "pears.py", *options, piped=b"apples and pears\n", cwd=tmp_path).stdout
    )
    assert piped["tokens"]["prompt"] > alone["tokens"]["prompt"] + 10
    assert both["tokens"]["prompt"] > alone["tokens"]["prompt"] + 25


@pytest.mark.model
def test_json_says_what_it_took_and_why_it_ended(base_model: Path) -> None:
    answer = json.loads(
        chat("-p", "Count from 1 to 50.", "--model", base_model, "--max-tokens", "8", "--json", "--seed", "3").stdout
    )
    assert answer["model"] == base_model.stem
    assert answer["text"]
    assert (answer["finished"], answer["stop_reason"]) == (False, "limit")
    assert answer["tokens"]["completion"] == 8
    assert answer["tokens_per_second"]["decode"] > 0
    assert answer["seconds"]["total"] >= answer["seconds"]["load"] + answer["seconds"]["first_text"] > 0


@pytest.mark.model
def test_too_much_input_is_cut_with_a_notice(base_model: Path) -> None:
    long = "".join(f"value_{number} = compute({number})\n" for number in range(2000)).encode()
    run = chat("-p", "What is this?", "--model", base_model, "--max-tokens", "4", piped=long, SNED_CONTEXT="512")
    assert run.returncode == 0, run.stderr
    assert "the end of standard input" in run.stderr


@pytest.mark.model
def test_the_diff_of_a_project_is_attached(base_model: Path, tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "a.py").write_text("x = 1\n")
    git("add", ".")
    git("commit", "-m", "first")
    run = chat("-p", "Review.", "--diff", "--project", tmp_path, "--model", base_model)
    assert run.returncode == 2
    assert "Nothing has changed" in run.stderr
    (tmp_path / "a.py").write_text("x = 22222\n")
    options = ("-p", "Review.", "--project", tmp_path, "--model", base_model, "--max-tokens", "1", "--json")
    without, with_diff = json.loads(chat(*options).stdout), json.loads(chat("--diff", *options).stdout)
    assert with_diff["tokens"]["prompt"] > without["tokens"]["prompt"] + 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", " "], "prompt is empty"),
        (["-p", "x", "-a", "nothing.py"], "nothing.py"),
        (["-p", "x", "--project", "nowhere"], "nowhere"),
        (["-p", "x", "--model", "nonsense"], "nonsense"),
        (["-p", "x"], "sned fetch"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_one_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    run = chat(*arguments, cwd=tmp_path, SNED_HOME=str(tmp_path / "none"))
    assert run.returncode == 2, run.stderr
    assert message in run.stderr
    assert (run.stdout, run.stderr.count("\n")) == ("", 1)


def test_binary_input_is_refused(tmp_path: Path) -> None:
    run = chat("-p", "x", piped=b"\0\1", SNED_HOME=str(tmp_path / "none"))
    assert run.returncode == 2
    assert "standard input is binary" in run.stderr


@pytest.mark.model
@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl-C cannot be sent to one process")
def test_interrupting_stops_at_once_and_keeps_what_was_written(base_model: Path) -> None:
    process = subprocess.Popen(
        [SNED, "chat", "-p", "Write a very long story.", "--model", base_model, "--max-tokens", "1500"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    first = process.stdout.read(1)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.decode().endswith("sned: stopped.\n")
    assert first + rest
    assert time.monotonic() - started < 5


def test_who_waits_for_standard_input_is_told_so(tmp_path: Path) -> None:
    """A pipe that nobody writes to or closes, as programs that start others leave it."""
    with subprocess.Popen(
        [SNED, "chat", "-p", "x", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "SNED_HOME": str(tmp_path / "none")},
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"sned: waiting for the end of standard input; < /dev/null gives none.\n"
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 2
        assert b"sned fetch" in errors
        assert output == b""


def with_terminal(base_model: Path, *arguments: str) -> tuple[bytes, bytes]:
    """Standard output, and what standard error wrote to a terminal, for a prompt that is read in several steps."""
    import pty

    ours, theirs = pty.openpty()
    long = "".join(f"value_{number} = compute({number})\n" for number in range(30)).encode()
    command = [SNED, "chat", "-p", "What is this?", "--model", base_model, "--max-tokens", "2", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        output, _ = process.communicate(long, timeout=300)
    errors = b""
    try:
        while piece := os.read(ours, 1 << 16):
            errors += piece
    except OSError:  # Linux ends a terminal that nobody has open so
        pass
    os.close(ours)
    assert process.returncode == 0, errors
    return output, errors


@pytest.mark.model
@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_terminal_is_shown_how_far_the_prompt_is_read_and_nothing_of_it_stays(base_model: Path) -> None:
    _, errors = with_terminal(base_model)
    *shown, last = errors.decode().split("\r")
    progress = [line for line in shown if "sned: reading" in line]
    assert len(progress) >= 3
    assert "of " in progress[0]
    at_blank = next(place for place, line in enumerate(shown) if len(line) > 20 and not line.strip())
    assert not any("reading" in line for line in [*shown[at_blank:], last])


@pytest.mark.model
@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_as_json_nothing_is_shown_of_reading(base_model: Path) -> None:
    output, errors = with_terminal(base_model, "--json")
    assert json.loads(output)["tokens"]["completion"] == 2
    assert errors == b""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_screen_that_would_be_drawn_into_a_file_is_refused(tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    run = subprocess.run(
        [SNED, "chat"], check=False, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, timeout=60, cwd=tmp_path
    )
    os.close(ours)
    os.close(theirs)
    assert run.returncode == 2
    assert b"drawn on standard error" in run.stderr
    assert run.stderr.count(b"\n") == 1
