"""Compiles what unpacks sparse files, and the sparse backend: `python native/build.py`, which `make install` runs.

The first needs a C++ compiler and nothing else. The backend needs the headers and libraries that llama-cpp-python has
installed, too. Where anything is missing it says so and ends with status 0: the program works without
(`sned doctor` tells which).
"""

import ctypes
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

NATIVE = Path(__file__).resolve().parent
TARGET = NATIVE.parent / "assistant" / "engine" / "lib"
KERNELS = (
    "packing.cpp",
    "packing_file.cpp",
    "file_rows.cpp",
    "panels.cpp",
    "activations.cpp",
    "activations_avx2.cpp",
    "kernel_portable.cpp",
    "kernel_avx2.cpp",
    "kernel_avx2_groups.cpp",
    "tile_avx2.cpp",
    "kernel_avxvnni.cpp",
    "kernel_avx512vnni.cpp",
    "kernel_avx512.cpp",
    "kernel_avx512_slots.cpp",
    "kernel_neon.cpp",
)
BACKEND = ("backend.cpp", "buffer.cpp")
UNPACKING = ("unpacking.cpp", "file_rows.cpp")
UNPACKING_TARGET = NATIVE.parent / "export" / "sparse" / "lib" / "libsned_unpacking.so"
GGML_VERSION = "0.25.3"  # what the headers in ggml/ are of
FLAGS = (
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-shared",
    "-ffp-contract=off",
    "-Wall",
    "-Wextra",
    "-Wno-maybe-uninitialized",
)


class UnavailableError(Exception):
    """Why something cannot be built here."""


def main() -> None:
    """Builds, or says why not."""
    try:
        build_unpacking()
    except UnavailableError as reason:
        print(f"Native unpacking is not built: {reason}. Sparse files load by numpy, which takes longer.")
    try:
        build_backend()
    except UnavailableError as reason:
        print(f"The sparse backend is not built: {reason}. Sub-models run dense, which works as well.")


def build_unpacking() -> None:
    """Builds what unpacks sparse files.

    Raises:
        UnavailableError: something is missing.
    """
    compile_library(compiler(), UNPACKING_TARGET, [NATIVE / name for name in UNPACKING])


def build_backend() -> None:
    """Builds the backend, and its kernels alone, which tests drive.

    Raises:
        UnavailableError: this is another platform, or something is missing.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise UnavailableError(f"it is made for Linux on x86-64, and this is {sys.platform} on {platform.machine()}")
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        raise UnavailableError("llama-cpp-python is not installed")
    libraries = Path(spec.origin).parent / "lib"
    base, cpu = libraries / "libggml-base.so.0", libraries / "libggml-cpu.so.0"
    headers = Path(spec.origin).parents[1] / "include"
    for needed in (base, cpu, headers / "ggml-backend.h"):
        if not needed.exists():
            raise UnavailableError(f"llama-cpp-python has no {needed.name}")
    version, commit = ggml_identity(base)
    if version != GGML_VERSION:
        raise UnavailableError(f"it is made for ggml {GGML_VERSION}, and llama-cpp-python brings {version}")
    sources = [NATIVE / name for name in KERNELS]
    identity = f'-DSNED_GGML="{version} {commit}"'
    compile_library(compiler(), TARGET / "libsned_kernels.so", sources)
    backend = [NATIVE / name for name in BACKEND]
    backend = [identity, f"-I{NATIVE}", f"-I{headers}", *sources, *backend, base, cpu]
    compile_library(compiler(), TARGET / "libsned_sparse.so", backend)


def compiler() -> str:
    """The C++ compiler.

    Raises:
        UnavailableError: there is none.
    """
    found = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    if not found:
        raise UnavailableError("there is no C++ compiler (install g++, or set CXX)")
    return found


def ggml_identity(base: Path) -> tuple[str, str]:
    """ggml's version and commit, as the library itself says."""
    library = ctypes.CDLL(str(base))
    library.ggml_version.restype = library.ggml_commit.restype = ctypes.c_char_p
    return library.ggml_version().decode(), library.ggml_commit().decode()


def compile_library(program: str, target: Path, arguments: Sequence[str | Path]) -> None:
    """Compiles one library beside its place and renames it there.

    Raises:
        UnavailableError: that failed.
    """
    try:
        _compile(program, target, arguments)
    except OSError as error:
        raise UnavailableError(str(error)) from error


def _compile(program: str, target: Path, arguments: Sequence[str | Path]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / target.name
        command = [program, *FLAGS, *map(str, arguments), "-o", str(made)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            first = next((line for line in run.stderr.splitlines() if "error" in line), run.stderr.strip()[-200:])
            raise UnavailableError(f"{program} failed: {first}")
        made.replace(target)


if __name__ == "__main__":
    main()
