"""The kernels under sanitizers: they read whole vectors at their memory's end, and threads share what they write to."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"
KERNEL_SOURCES = [each for each in NATIVE.glob("*.cpp") if each.name not in ("backend.cpp", "buffer.cpp")]


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


UNPACKING_UNDER_SANITISERS = """
import sys
from pathlib import Path

import pytest

from export.sparse import native

native.LIBRARY = Path(sys.argv[1])
assert native._library() is not None

from tests.export.sparse import test_native

test_native.MUTATIONS = 2000
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", test_native.__file__, "-k", "part or mutated"]))
"""


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("g++"), reason="there is no g++")
@pytest.mark.parametrize("flags", [[], ["-DSNED_PORTABLE_ONLY"]], ids=["this processor's", "portable"])
def test_unpacking_stays_within_its_memory(flags: list[str], tmp_path: Path) -> None:
    library = tmp_path / "libsned_unpacking.so"
    sanitised = ["-shared", "-fPIC", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    sources = [str(NATIVE / name) for name in ("unpacking.cpp", "file_rows.cpp")]
    subprocess.run(["g++", "-std=c++17", *sanitised, *flags, *sources, "-o", str(library)], check=True)
    runtimes = [
        subprocess.run(["g++", f"-print-file-name={name}"], check=True, capture_output=True, text=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = os.environ | {
        "LD_PRELOAD": " ".join(runtimes),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",  # so that arrays lie between bytes that nobody may touch
    }
    command = [sys.executable, "-c", UNPACKING_UNDER_SANITISERS, str(library)]
    run = subprocess.run(command, env=environment, cwd=NATIVE.parent, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-3000:]
    assert "2 passed" in run.stdout
