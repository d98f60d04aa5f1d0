"""Completes a line of this repository with the sub-model that was built for it: the last step of `make demo`.

The rest of the line is taken away, as if it had not been written yet.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE = "assistant/recipe.py"
LINE = "        return self.tokens // self.sequence_length\n"
WRITTEN = "        return self.tokens //"


def main() -> int:
    """Runs `sned complete` on the position and gives its exit status."""
    lines = (ROOT / FILE).read_text(encoding="utf-8").splitlines(keepends=True)
    number = lines.index(LINE)
    text = "".join([*lines[:number], f"{WRITTEN}\n", *lines[number + 1 :]])
    command = ["sned", "complete", f"{FILE}:{number + 1}:{len(WRITTEN) + 1}", "--stdin"]
    print(f"$ {' '.join(command)}    # the rest of the line taken away", flush=True)
    command[0] = str(Path(sys.executable).with_name("sned"))
    return subprocess.run(command, cwd=ROOT, input=text, encoding="utf-8", check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
