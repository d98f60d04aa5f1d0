"""The kernels under the address and undefined-behaviour sanitizers: they read whole vectors at their memory's end."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("c++"), reason="there is no C++ compiler")
def test_kernels_stay_within_their_memory(tmp_path: Path) -> None:
    sources = [each for each in NATIVE.glob("*.cpp") if each.name != "backend.cpp"]
    flags = ["-std=c++17", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{NATIVE}"]
    program = tmp_path / "check"
    source = Path(__file__).with_name("check_kernels.cpp")
    subprocess.run(["c++", *flags, str(source), *map(str, sources), "-o", str(program)], check=True)
    run = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr[-3000:]
