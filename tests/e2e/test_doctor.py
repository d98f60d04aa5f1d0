"""`sned doctor` as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SNED = Path(sys.executable).with_name("sned")


def doctor(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SNED, "doctor", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "main.py").write_text("print(1)\n")
    return folder


@pytest.mark.model
def test_with_a_model_the_probe_passes(project: Path, base_model: Path) -> None:
    run = doctor(project, "--model", base_model, "--json")
    answer = json.loads(run.stdout)
    checks = {check["name"]: check for check in answer["checks"]}
    assert checks["probe"]["status"] == "pass"
    assert "a + b" in checks["probe"]["found"]
    assert answer["ok"] is (run.returncode == 0)


def test_without_a_model_it_fails_and_says_what_to_do(project: Path, tmp_path: Path) -> None:
    run = doctor(project, SNED_HOME=str(tmp_path / "none"))
    assert run.returncode == 1
    assert "sned fetch" in run.stdout
    assert "Traceback" not in run.stdout + run.stderr
    assert [line.split()[0] for line in run.stdout.splitlines() if not line.startswith(" ")].count("fail") >= 1


def test_broken_settings_and_catalogs_do_not_stop_it(project: Path, tmp_path: Path) -> None:
    (tmp_path / "catalog.toml").write_text("not toml at all [")
    run = doctor(project, "--json", SNED_CATALOG=str(tmp_path / "catalog.toml"))
    checks = {check["name"]: check for check in json.loads(run.stdout)["checks"]}
    assert run.returncode == 1
    assert checks["settings"]["status"] == "fail"
    assert "catalog.toml" in checks["settings"]["found"]
    assert checks["python"]["status"] == "pass"
    run = doctor(project, "--json", SNED_THREADS="none")
    assert json.loads(run.stdout)["checks"][1]["status"] == "fail"


def test_a_missing_project_is_reported(tmp_path: Path) -> None:
    run = doctor(tmp_path / "missing", "--json", SNED_HOME=str(tmp_path / "none"))
    checks = {check["name"]: check for check in json.loads(run.stdout)["checks"]}
    assert run.returncode == 1
    assert checks["language"]["status"] == "fail"
