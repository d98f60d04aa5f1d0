"""The kernels under sanitizers: they read whole vectors at their memory's end, and threads share what they write to."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"
KERNEL_SOURCES = [each for each in NATIVE.glob("*.cpp") if each.name != "backend.cpp"]


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("c++"), reason="there is no C++ compiler")
@pytest.mark.parametrize("sanitisers", ["address,undefined", "thread"])
def test_kernels_stay_within_their_memory_and_their_rows(sanitisers: str, tmp_path: Path) -> None:
    flags = ["-std=c++17", "-O1", "-g", f"-fsanitize={sanitisers}", "-fno-sanitize-recover=all", "-pthread"]
    program = tmp_path / "check"
    source = Path(__file__).with_name("check_kernels.cpp")
    subprocess.run(
        ["c++", *flags, f"-I{NATIVE}", str(source), *map(str, KERNEL_SOURCES), "-o", str(program)], check=True
    )
    run = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr[-3000:]


ARM = "aarch64-linux-gnu-g++"


@pytest.mark.skipif(
    not (shutil.which(ARM) and shutil.which("qemu-aarch64")), reason="there is no Arm compiler, or no qemu"
)
def test_the_kernel_for_arm_gives_the_same_bits(tmp_path: Path) -> None:
    program = tmp_path / "check"
    sources = [Path(__file__).with_name("check_kernels.cpp"), *KERNEL_SOURCES]
    flags = ["-std=c++17", "-O2", "-ffp-contract=off", "-static", "-pthread", f"-I{NATIVE}"]
    subprocess.run([ARM, *flags, *map(str, sources), "-o", str(program)], check=True)
    run = subprocess.run(["qemu-aarch64", str(program)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr[-3000:]
    assert "NEON" in run.stdout
