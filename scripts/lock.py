"""Writes constraints.txt: the versions in this environment, which are those that were tested.

Run it in a fresh .venv after the tests have passed: `make lock`.
"""

import re
import subprocess
import sys
from pathlib import Path

HEAD = """\
# What was tested, for pip's --constraint; written by `make lock`. torch stands without its build: PyPI's and PyTorch's
# CPU build of a version both fit.
"""


def main() -> None:
    """Replaces constraints.txt."""
    frozen = subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--all", "--exclude-editable"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    pins = [line for line in frozen.splitlines() if re.match(r"[\w.-]+==", line)]
    pins = [re.sub(r"\+.*", "", pin) for pin in pins if not pin.startswith("setuptools==")]
    Path("constraints.txt").write_text(HEAD + "\n".join(sorted(pins, key=str.lower)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
