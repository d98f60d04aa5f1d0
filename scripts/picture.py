"""Draws docs/demo.svg: the commands of `make demo` and what they really print.

python scripts/picture.py        # after `make demo`; what has been built is built again in a store of its own
"""

import os
import pty
import re
import shlex
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 104
COMMANDS = ("sned", "sned detect .", "python scripts/demo.py")


def output_of(command: str) -> str:
    """What a command prints on a terminal."""
    written = bytearray()

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 4096)
        written.extend(data)
        return data

    words = shlex.split(command)
    pty.spawn([str(Path(sys.executable).with_name(words[0])), *words[1:]], read)
    # A bar that is drawn anew and taken away leaves nothing on a screen, and nothing here.
    text = written.decode().replace("\r\n", "\n").replace(str(ROOT), "~/sned")
    text = re.sub(r"[^\n]*\r", "", re.sub(r"\x1b\[\?25[lh]|\x1b\[\d*[AK]|\x1b\[2K", "", text))
    return "\n".join(line for line in text.splitlines() if "━" not in line)


def main() -> None:
    """Runs the commands and writes the picture."""
    os.chdir(ROOT)
    os.environ |= {"COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor")
    for command in COMMANDS:
        if command.startswith("sned"):  # the demo shows its command itself
            console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
        console.print(Text.from_ansi(output_of(command)))
        console.print()
    console.save_svg(str(ROOT / "docs" / "demo.svg"), title="sned", clear=False)


if __name__ == "__main__":
    main()
