"""The installed program in a process of its own, with a store of its own."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SNED = Path(sys.executable).with_name("sned")
_SMALL = 64 * 1024


def sned(
    folder: Path, *arguments: str | Path, before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs `sned` in a folder, its store in `home` there; `before` is called in the new process first."""
    return subprocess.run(
        [SNED, *arguments],
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=before,
    )


def small_files() -> None:
    """Lets this process write no file of more than 64 KiB: for `before`, where a disk cannot be mounted."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (_SMALL, _SMALL))


def full_disk(folder: Path, place: str, script: str) -> subprocess.CompletedProcess[str]:
    """Runs a shell script where `place` is a disk of 100 KB for the script alone; skips if none can be mounted."""
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size=100k none {place} && {{ {script}; }}"],
        cwd=folder,
        env=_environment(folder) | {"PATH": f"{SNED.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "SNED_HOME": str(folder / "home"), "COLUMNS": "200"}
