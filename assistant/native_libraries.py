"""Compiling the native libraries once the program is installed: they fit the llama-cpp-python that is there."""

import subprocess
import sys
from pathlib import Path

BUILD_SCRIPT = Path(__file__).resolve().parents[1] / "native" / "build.py"


def build() -> str:
    """Compiles them beside the modules that load them, and says what was not compiled and why; nothing if all was."""
    if not BUILD_SCRIPT.is_file():
        return f"The native libraries' sources are not installed: there is no {BUILD_SCRIPT}."
    run = subprocess.run([sys.executable, str(BUILD_SCRIPT)], capture_output=True, text=True, check=False)
    return (
        run.stdout.strip()
        if run.returncode == 0
        else f"The native libraries are not built: {run.stderr.strip()[-300:]}"
    )
