"""Exact match of one-line infilling, by order of the prompt: suffix first healed, suffix first as it is, prefix first.

Tasks are JSON lines with `prompt`, `suffix` and `canonical_solution`, as HumanEval-Infilling's single-line set has them
(Bavarian et al., arXiv 2207.14255). The cursor is put after the line's indentation, or with `--inside`
a third into the line. For evaluation alone: nothing is to be tuned by single tasks.

    python benchmarks/infilling.py --model base.gguf --tasks single_line.jsonl --sample 48
"""

import argparse
import json
import random
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Prompt, Sampling
from assistant.fim import fim_prompt, find_fim_tokens


@dataclass(frozen=True)
class Task:
    """Text before and after the cursor, and the rest of the cursor's line."""

    before: str
    after: str
    answer: str


def read_tasks(path: Path, sample: int, *, inside: bool) -> list[Task]:
    """A fixed sample of the tasks, in a fixed order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    chosen = random.Random(0).sample(lines, min(sample, len(lines)))
    return [task_from(json.loads(line), inside=inside) for line in chosen]


def task_from(record: dict[str, str], *, inside: bool) -> Task:
    """The task with the cursor after the indentation, or a third into the line."""
    line = record["canonical_solution"].split("\n")[0]
    cut = len(line) - len(line.lstrip())
    if inside:
        cut += (len(line) - cut) // 3
    return Task(record["prompt"] + line[:cut], "\n" + record["suffix"], line[cut:])


def first_line(engine: LlamaEngine, prompt: Prompt) -> str:
    """What the model writes up to a line's end, greedily."""
    text = ""
    with closing(engine.generate(prompt, Sampling(max_tokens=64))) as generation:
        for piece in generation:
            text += piece
            if "\n" in text:
                break
    return text.split("\n")[0]


def share(count: int, of: int) -> str:
    """`7/48 0.15`, in a column."""
    return f"{count:>3}/{of} {count / of:.2f}"


def main() -> None:
    """Prints a line an order: exact matches, matches but for white space in front, seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tasks", type=Path, required=True)
    parser.add_argument("--sample", type=int, default=48)
    parser.add_argument("--inside", action="store_true", help="cursor a third into the line")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    tasks = read_tasks(arguments.tasks, arguments.sample, inside=arguments.inside)
    engine = LlamaEngine(arguments.model, LlamaOptions(threads=arguments.threads))
    fim = find_fim_tokens(engine)
    first, last = (fim.model_copy(update={"order": order}) for order in ("suffix-first", "prefix-first"))
    orders = {
        "suffix first, healed": lambda task: fim_prompt(first, task.before, task.after),
        "suffix first, raw": lambda task: replace(fim_prompt(first, task.before, task.after), healed=False),
        "prefix first": lambda task: fim_prompt(last, task.before, task.after),
    }
    print(f"{'prompt':22} {'exact':>11} {'stripped':>11}")
    for name, prompt_of in orders.items():
        started = time.perf_counter()
        texts = [first_line(engine, prompt_of(task)) for task in tasks]
        exact = sum(text.rstrip() == task.answer.rstrip() for text, task in zip(texts, tasks, strict=True))
        stripped = sum(text.strip() == task.answer.strip() for text, task in zip(texts, tasks, strict=True))
        seconds = time.perf_counter() - started
        print(f"{name:22} {share(exact, len(tasks))} {share(stripped, len(tasks))}  {seconds:.0f} s", flush=True)
    engine.close()


if __name__ == "__main__":
    main()
