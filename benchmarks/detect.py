"""Times `sned detect` on a generated project of 100,000 files: python benchmarks/detect.py [--files N]

The tree has nested folders, ignore files of the length people use, vendored and ignored parts, and five languages.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LANGUAGES = {".py": 0.5, ".ts": 0.2, ".java": 0.15, ".cpp": 0.1, ".go": 0.05}
LICENCE = "Copyright the authors. DO NOT ALTER OR REMOVE COPYRIGHT NOTICES OR THIS FILE HEADER.\n"
IGNORED = [
    "__pycache__/", "*.py[cod]", "*$py.class", "*.so", ".Python", "build/", "dist/", "*.egg-info/", "htmlcov/", ".tox/",
    "*.cover", "*.log", "local_settings.py", "instance/", "docs/_build/", "/site", ".env", ".venv", "ENV/", "*.rs.bk",
    "cmake-build-*/", "*.class", "*.jar", "hs_err_pid*", "npm-debug.log*", "coverage", "*.tsbuildinfo", ".cache/",
    "!important.log", "generated/**/out",
]  # fmt: skip


def make_tree(root: Path, files: int) -> None:
    """Writes a project of `files` files, about 100 to a folder; every 20th is ignored or vendored."""
    chance = random.Random(0)
    endings, weights = list(LANGUAGES), list(LANGUAGES.values())
    (root / ".gitignore").write_text("\n".join(IGNORED) + "\n")
    (root / "pyproject.toml").write_text("[project]\n")
    for start in range(0, files, 100):
        area = chance.choices(["src", "node_modules", "pkg/__pycache__"], [0.95, 0.03, 0.02])[0]
        folder = root / f"part{start // 5000}" / area / f"module{start // 100}"
        folder.mkdir(parents=True)
        if start % 1000 == 0:
            (folder / ".gitignore").write_text("*.tmp\n/local/\n")
        for number in range(start, min(start + 100, files)):
            ending = chance.choices(endings, weights)[0]
            comment = "# " if ending == ".py" else "// "
            body = "value = compute(value, 1)\n" * chance.randrange(10, 200)
            (folder / f"file{number}{ending}").write_text(f"{comment}{LICENCE}{body}")


def main() -> None:
    """Makes the tree, runs the installed program on it, and prints each run's time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_tree(Path(folder), options.files)
        command = [Path(sys.executable).with_name("sned"), "detect", folder]
        for run in range(options.runs):
            start = time.perf_counter()
            answer = subprocess.run(command, check=True, capture_output=True, text=True)
            print(f"run {run + 1}: {options.files:,} files in {time.perf_counter() - start:.2f} s")
        print(answer.stdout)


if __name__ == "__main__":
    main()
