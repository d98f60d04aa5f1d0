"""`sned complete` as a user runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SNED = Path(sys.executable).with_name("sned")
SOURCE = "def add(a, b):\n    return \n\n\nprint(add(1, 2))\n"


def sned(
    *arguments: str | Path, text: str | bytes | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    data = text.encode() if isinstance(text, str) else text
    run = subprocess.run(
        [SNED, *arguments], check=False, input=data, capture_output=True, timeout=300, env={**os.environ, **environment}
    )
    return subprocess.CompletedProcess(run.args, run.returncode, run.stdout.decode(), run.stderr.decode())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "sums.py"
    path.write_text(SOURCE)
    return path


@pytest.mark.model
def test_the_text_goes_to_standard_output_and_the_summary_to_standard_error(source: Path, base_model: Path) -> None:
    run = sned("complete", f"{source}:2:12", "--model", base_model)
    assert (run.returncode, run.stdout) == (0, "a + b\n")
    assert "tokens/s" in run.stderr
    assert run.stderr.count("\n") == 1
    assert source.read_text() == SOURCE


@pytest.mark.model
def test_json_says_what_it_took(source: Path, base_model: Path) -> None:
    run = sned("complete", f"{source}:2:12", "--model", base_model, "--json")
    answer = json.loads(run.stdout)
    assert answer["text"] == "a + b"
    assert answer["model"] == base_model.stem
    assert answer["stop_reason"] in {"line", "end-token", "suffix"}
    assert answer["tokens"]["prompt"] > 10
    assert answer["tokens"]["cached"] == 0
    assert 0 < answer["tokens"]["completion"] < 20
    assert answer["tokens_per_second"]["prefill"] > 0
    seconds = answer["seconds"]
    assert seconds["total"] >= seconds["load"] + seconds["first_text"] > 0


@pytest.mark.model
def test_standard_input_stands_for_the_file(tmp_path: Path, base_model: Path) -> None:
    run = sned("complete", f"{tmp_path / 'unsaved.py'}:2:12", "--stdin", "--model", base_model, text=SOURCE)
    assert run.stdout == "a + b\n"


@pytest.mark.model
def test_an_empty_file_and_empty_input_work(tmp_path: Path, base_model: Path) -> None:
    empty = tmp_path / "empty.py"
    empty.touch()
    arguments = ["--model", str(base_model), "--max-tokens", "4", "--json"]
    assert json.loads(sned("complete", f"{empty}:1:1", *arguments).stdout)["tokens"]["prompt"] == 3
    assert json.loads(sned("complete", "x.py:1:1", "--stdin", *arguments, text="").stdout)["tokens"]["prompt"] == 3


@pytest.mark.model
def test_debug_shows_the_log_of_llama_cpp(source: Path, base_model: Path) -> None:
    run = sned("complete", f"{source}:2:12", "--model", base_model, "--debug")
    assert run.stdout == "a + b\n"
    assert "sned.llama: llama_model_loader" in run.stderr


@pytest.mark.model
def test_a_model_too_large_is_refused_unless_insisted(source: Path, base_model: Path) -> None:
    huge = {"SNED_CONTEXT": "32000000"}
    run = sned("complete", f"{source}:2:12", "--model", base_model, **huge)
    assert run.returncode == 1
    assert "--ignore-memory" in run.stderr
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("position", "message"),
    [
        ("{}", "is not a position"),
        ("{}:2", "is not a position"),
        ("{}:0:1", "counted from 1"),
        ("{}:7:1", "there is no line 7"),
        ("{}:2:13", "columns go from 1 to 12"),
        ("{}x:1:1", "There is no file"),
        ("{}/..:1:1", "no folder"),
    ],
)
def test_bad_positions_are_refused(source: Path, position: str, message: str) -> None:
    refused(sned("complete", position.format(source)), message)


def test_folders_and_binary_files_are_refused(tmp_path: Path) -> None:
    binary, latin = tmp_path / "a.py", tmp_path / "b.py"
    binary.write_bytes(b"\x7fELF\0\0")
    latin.write_bytes("é".encode("latin-1"))
    refused(sned("complete", f"{tmp_path}:1:1"), "is a folder")
    refused(sned("complete", f"{binary}:1:1"), "is binary")
    refused(sned("complete", f"{latin}:1:1"), "not UTF-8")
    refused(sned("complete", "x.py:1:1", "--stdin", text=b"\0"), "standard input is binary")
    refused(sned("complete", "x.py:2:1", "--stdin", text=""), "there is no line 2")


def test_models_that_are_not_there_are_refused(source: Path, tmp_path: Path) -> None:
    home = {"SNED_HOME": str(tmp_path / "none")}
    refused(sned("complete", f"{source}:2:12", **home), "sned fetch")
    refused(sned("complete", f"{source}:2:12", "--model", "nonsense", **home), "nonsense")
    refused(sned("complete", f"{source}:2:12", "--model", "no.gguf", **home), "no.gguf")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF\3\0\0\0")
    run = sned("complete", f"{source}:2:12", "--model", broken)
    assert run.returncode == 1
    assert "broken.gguf" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--max-tokens", "0"],
        ["--lines", "some"],
        ["--temperature", "-1"],
        ["--gpu-layers", "all"],
        ["--seed", "x"],
    ],
)
def test_bad_options_are_refused(source: Path, arguments: list[str]) -> None:
    run = sned("complete", f"{source}:2:12", *arguments)
    assert run.returncode == 2
    assert arguments[0] in run.stderr


@pytest.mark.model
@pytest.mark.parametrize("wait", [0.0, 2.0], ids=["while loading", "in prefill"])
@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl-C cannot be sent to one process")
def test_interrupting_stops_at_once(tmp_path: Path, base_model: Path, wait: float) -> None:
    long = tmp_path / "long.py"
    long.write_text("".join(f"value_{number} = compute({number})\n" for number in range(2000)))
    process = subprocess.Popen(
        [
            SNED,
            "complete",
            f"{long}:1000:1",
            "--model",
            base_model,
            "--max-tokens",
            "3000",
            "--lines",
            "many",
            "--debug",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "sned.llama" in line:  # it loads
            break
    time.sleep(wait)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.endswith("sned: stopped.\n")


def refused(run: subprocess.CompletedProcess[str], message: str) -> None:
    """The command ended as a wrong request does: status 2, one line that says what is wrong."""
    assert run.returncode == 2, run.stderr
    assert message in run.stderr
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
