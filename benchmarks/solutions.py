"""How likely models find the known-good solutions of tasks in HumanEval-X's format, given their prompts, all in all.

Text of another kind than calibration sets are made of, so that it shows what a model has lost there: training that
makes it predict held-out code better can make this worse. A figure of all tasks moves less by chance than pass@1 does.
For evaluation alone: nothing is to be tuned by single tasks.

    python benchmarks/solutions.py --tasks humaneval_x/python.jsonl --every 3 base.gguf sub-model.gguf
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from assistant.engine.protocol import Segment
from assistant.engine.tokenizer import open_tokenizer
from assistant.perplexity import losses


def read_tasks(path: Path, every: int) -> list[dict[str, Any]]:
    """One of so many tasks of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()][::every]


def nats_a_token(model: Path, tasks: list[dict[str, Any]], threads: int) -> float:
    """The mean negative log-likelihood of the tokens of all solutions."""
    with open_tokenizer(model) as tokenizer:
        prompts, solutions = (
            [tokenizer.encode([Segment(task[part])]) for task in tasks] for part in ("prompt", "canonical_solution")
        )
    sequences = [np.array(prompt + solution, np.int32) for prompt, solution in zip(prompts, solutions, strict=True)]
    found = losses(model, sequences, threads)
    nats = [loss[len(prompt) - 1 :] for prompt, loss in zip(prompts, found, strict=True)]
    return sum(float(each.sum()) for each in nats) / sum(map(len, nats))


def main() -> None:
    """Prints a line a model: nats a token of the solutions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL.gguf")
    parser.add_argument("--tasks", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="one task of so many")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    tasks = read_tasks(arguments.tasks, arguments.every)
    for model in arguments.models:
        mean = nats_a_token(model, tasks, arguments.threads)
        print(f"{mean:.3f} nats a token, perplexity {math.exp(mean):.3f}, {len(tasks)} tasks  {model}", flush=True)


if __name__ == "__main__":
    main()
