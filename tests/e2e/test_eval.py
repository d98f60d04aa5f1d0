"""`sned eval` as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.assistant.evaluation.test_programs import TASKS

SNED = Path(sys.executable).with_name("sned")


def sned(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SNED, "eval", *arguments],
        env=os.environ | {"SNED_HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.jsonl"
    path.write_text(TASKS[".py"].model_dump_json() + "\n")
    return path


@pytest.fixture
def home(tmp_path: Path, base_model: Path) -> Path:
    home = tmp_path / "home"
    subprocess.run(
        [SNED, "fetch", "--from", base_model],
        env=os.environ | {"SNED_HOME": str(home)},
        check=True,
        capture_output=True,
    )
    return home


def test_the_check_runs_without_a_model(tmp_path: Path, tasks: Path) -> None:
    done = sned(tmp_path / "home", "--check", "--tasks", tasks)
    if "There is no sandbox" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tasks}: 1 of 1 solutions pass (Python ")
    wrong = TASKS[".py"].model_copy(update={"canonical_solution": "    return 0\n"})
    tasks.write_text(wrong.model_dump_json() + "\n")
    done = sned(tmp_path / "home", "--check", "--tasks", tasks, "--json", "--progress", "json")
    assert done.returncode == 1
    (file,) = json.loads(done.stdout)["files"]
    assert file["failed"] == [{"task": "Python/0", "outcome": "wrong", "reason": "AssertionError"}]
    assert [json.loads(line)["fraction"] for line in done.stderr.splitlines()] == [0.0, 1.0]


def test_a_missing_tool_is_a_skip(tmp_path: Path) -> None:
    path = tmp_path / "java.jsonl"
    path.write_text(TASKS[".java"].model_dump_json() + "\n")
    done = subprocess.run(
        [SNED, "eval", "--check", "--tasks", path],
        env=os.environ | {"SNED_HOME": str(tmp_path), "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{path}: skipped: no JDK was found (javac and java on PATH)\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing to measure"),
        (("--check",), "--check takes --tasks"),
        (("--tasks", "none.jsonl"), "none.jsonl cannot be read"),
        (("--cost", "no-such-model"), "No model in the store is called 'no-such-model'"),
        (("--cost", "--samples", "4", "--temperature", "0"), "all samples are the same"),
        (("/", "/tmp"), "several folders"),
        (("--again", "--measured", "--cost"), "choose one"),
        (("--matrix", "0.5b"), "makes its own models"),
        (("--matrix",), "is not here yet"),
        (("--cost", "--recipe", "fast"), "are of --matrix"),
    ],
)
def test_what_cannot_be_measured_is_told(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    done = sned(tmp_path / "home", *arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-bytes", "many"), "'many' is not a number of bytes, such as 350M"),
        (("--budget", "soon"), "'soon' is not a time"),
        (("--language", "cobol"), "cobol"),
        (("--language", "python"), "is not here yet; get it with: sned fetch"),
    ],
)
def test_what_cannot_be_tuned_is_told(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    done = subprocess.run(
        [SNED, "tune", tmp_path, *arguments],
        env=os.environ | {"SNED_HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "config")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.model
def test_a_model_is_measured_once_and_its_figures_are_kept(home: Path, tasks: Path) -> None:
    page = home / "page.html"
    asked = ("--tasks", tasks, "--max-tokens", "24", "--cost", "--turns", "1")
    done = sned(home, "0.5b", *asked, "--json", "--html", page)
    if "There is no sandbox" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)
    cost = first["models"][0]["measurements"]["cost"]
    assert cost["decode tokens/s"] > 0
    assert cost["first suggestion s"] > cost["load s"] > 0
    assert cost["peak MB"] > 400
    figures = first["models"][0]["measurements"]["tasks, completion"]
    assert figures["tasks"] == 1
    assert figures["pass@1"] in {0.0, 1.0}
    assert "tasks, completion" in page.read_text()
    assert "there already" not in done.stderr
    again = sned(home, "0.5b", "--tasks", tasks, "--max-tokens", "24", "--cost", "--turns", "1", "--json")
    assert json.loads(again.stdout)["models"] == first["models"]
    assert list((home / "evaluations" / "quality").glob("*.json"))
