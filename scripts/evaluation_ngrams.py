"""Writes assistant/corpus/evaluation_ngrams.bin: hashes of the wording of evaluation problems, to keep them out.

    python scripts/evaluation_ngrams.py FILE.jsonl [FILE.jsonl ...]

Each line of a file is a task with a `task_id`, and texts as `prompt`, `canonical_solution` and `suffix`. Tasks whose
ids differ only in what stands before `HumanEval/` or after the number are one problem.
"""

import argparse
import json
import re
from collections import defaultdict
from pathlib import Path

from assistant.corpus.evaluation import fingerprint

TARGET = Path(__file__).parent.parent / "assistant" / "corpus" / "evaluation_ngrams.bin"


def problem_of(task_id: str) -> str:
    """The number of a task's problem, or its whole id where it has none."""
    number = re.search(r"/(\d+)(?:/|$)", task_id)
    return number[1] if number else task_id


def main() -> None:
    """Reads the files and replaces the fingerprint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.jsonl")
    problems: defaultdict[str, set[str]] = defaultdict(set)
    for path in parser.parse_args().files:
        for line in path.read_text(encoding="utf-8").splitlines():
            task = json.loads(line)
            solved = task["prompt"] + task["canonical_solution"] + task.get("suffix", "")
            problems[problem_of(task["task_id"])].add(solved)
    data = fingerprint(problems.values())
    TARGET.write_bytes(data)
    print(f"{len(problems)} problems, {len(data) // 8:,} n-grams, {len(data) / 1000:.0f} kB in {TARGET.name}")


if __name__ == "__main__":
    main()
