"""What two processors of this machine have of it together: what a product's two threads can get.

A virtual machine's processors may be moved between the host's cores while it runs: onto two that share a cache and its
way to memory, as on a laptop, or onto two that do not. Each line is a round of about a second, for the first two
processors: nanoseconds until one sees what the other wrote, how long arithmetic takes that both do (1: they are two
cores, 2: one), and GB/s that are read of memory by one of them and by both.

    python benchmarks/cores.py [--rounds 5]
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

from native.build import compiler


def main() -> None:
    """Compiles the measurement and runs it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "cores"
        source = Path(__file__).with_suffix(".cpp")
        flags = ["-std=c++17", "-O3", "-march=native", "-pthread"]
        subprocess.run([compiler(), *flags, str(source), "-o", str(program)], check=True)
        subprocess.run([str(program), str(arguments.rounds)], check=True)


if __name__ == "__main__":
    main()
