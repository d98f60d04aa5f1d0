"""The native libraries compiled from what an installation has."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from assistant import native_libraries

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources as an installation has them, with nothing compiled."""
    shutil.copytree(ROOT / "native", tmp_path / "native")
    (tmp_path / "assistant").mkdir()
    monkeypatch.setattr(native_libraries, "BUILD_SCRIPT", tmp_path / "native" / "build.py")
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("c++"), reason="there is no C++ compiler")
def test_they_are_compiled_beside_what_loads_them(installed: Path) -> None:
    assert native_libraries.build() == ""
    assert (installed / "assistant" / "engine" / "lib" / "libsned_sparse.so").is_file()
    assert (installed / "export" / "sparse" / "lib" / "libsned_unpacking.so").is_file()


def test_what_is_missing_is_said(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", str(installed / "no-compiler"))
    said = native_libraries.build()
    assert "no-compiler" in said
    assert "which works as well" in said
    shutil.rmtree(installed / "native")
    assert "not installed" in native_libraries.build()


def test_an_installation_without_a_compiler_goes_on(installed: Path) -> None:
    nothing = installed / "bin"
    nothing.mkdir()
    command = [sys.executable, str(installed / "native" / "build.py")]
    run = subprocess.run(command, env={"PATH": str(nothing)}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr  # `make install` calls it
    assert run.stdout.count("there is no C++ compiler (install g++, or set CXX)") == 2
    assert not list(installed.glob("**/*.so"))


def test_wheels_have_the_sources() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "native" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
