"""The kernels under sanitizers: they read whole vectors at their memory's end, and threads share what they write to."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("c++"), reason="there is no C++ compiler")
@pytest.mark.parametrize("sanitisers", ["address,undefined", "thread"])
def test_kernels_stay_within_their_memory_and_their_rows(sanitisers: str, tmp_path: Path) -> None:
    sources = [each for each in NATIVE.glob("*.cpp") if each.name != "backend.cpp"]
    flags = ["-std=c++17", "-O1", "-g", f"-fsanitize={sanitisers}", "-fno-sanitize-recover=all", "-pthread"]
    program = tmp_path / "check"
    source = Path(__file__).with_name("check_kernels.cpp")
    subprocess.run(["c++", *flags, f"-I{NATIVE}", str(source), *map(str, sources), "-o", str(program)], check=True)
    run = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr[-3000:]
