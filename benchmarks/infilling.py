"""Exact match of infilling, by order of the prompt: suffix first healed, suffix first as it is, prefix first.

Tasks are JSON lines with `prompt`, `suffix` and `canonical_solution`, as HumanEval-Infilling's sets have them (Bavarian
et al., arXiv 2207.14255). The cursor is put after the line's indentation, or with `--inside` a third into the line; a
line is to be completed, or with `--whole` all that is missing: many lines, or a span that begins and ends anywhere.
For evaluation alone: nothing is to be tuned by single tasks.

    python benchmarks/infilling.py --model base.gguf --tasks single_line.jsonl --sample 48
    python benchmarks/infilling.py --model base.gguf --tasks random_span_light.jsonl --whole
"""

import argparse
import json
import random
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Prompt, Sampling
from assistant.fim import fim_prompt, find_fim_tokens


@dataclass(frozen=True)
class Task:
    """Text before and after the cursor, and what is to be written there: a line, or the `whole` of what is missing."""

    before: str
    after: str
    answer: str
    whole: bool = False


def read_tasks(path: Path, sample: int, make: Callable[[dict[str, str]], Task]) -> list[Task]:
    """A fixed sample of the tasks, in a fixed order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    chosen = random.Random(0).sample(lines, min(sample, len(lines)))
    return [make(json.loads(line)) for line in chosen]


def whole_task(record: dict[str, str]) -> Task:
    """The task with the cursor at the beginning of what is missing, after its indentation if it begins a line."""
    before, missing = record["prompt"], record["canonical_solution"]
    cut = len(missing) - len(missing.lstrip(" \t")) if before.endswith("\n") else 0
    return Task(before + missing[:cut], record["suffix"], missing[cut:], whole=True)


def task_from(record: dict[str, str], *, inside: bool) -> Task:
    """The task with the cursor after the indentation, or a third into the line."""
    line = record["canonical_solution"].split("\n")[0]
    cut = len(line) - len(line.lstrip())
    if inside:
        cut += (len(line) - cut) // 3
    return Task(record["prompt"] + line[:cut], "\n" + record["suffix"], line[cut:])


def written(engine: LlamaEngine, prompt: Prompt, task: Task) -> str:
    """What the model writes greedily: up to a line's end or its own end, or until it is too long to be right."""
    text = ""
    most = engine.count_tokens(task.answer) + 16 if task.whole else 64
    with closing(engine.generate(prompt, Sampling(max_tokens=most))) as generation:
        for piece in generation:
            text += piece
            if "\n" in text and not task.whole:
                break
    return text if task.whole else text.split("\n")[0]


def share(count: int, of: int) -> str:
    """`7/48 0.15`, in a column."""
    return f"{count:>3}/{of} {count / of:.2f}"


def main() -> None:
    """Prints a line an order: exact matches, but for white space in front, those that go on after it, and seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tasks", type=Path, required=True)
    parser.add_argument("--sample", type=int, default=48)
    parser.add_argument("--inside", action="store_true", help="cursor a third into the line")
    parser.add_argument("--whole", action="store_true", help="all that is missing is to be written, not a line")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--served", action="store_true", help="only in the order that is used: suffix first, healed")
    arguments = parser.parse_args()
    make = whole_task if arguments.whole else partial(task_from, inside=arguments.inside)
    tasks = read_tasks(arguments.tasks, arguments.sample, make)
    engine = LlamaEngine(arguments.model, LlamaOptions(threads=arguments.threads))
    fim = find_fim_tokens(engine)
    first, last = (fim.model_copy(update={"order": order}) for order in ("suffix-first", "prefix-first"))
    orders = {
        "suffix first, healed": lambda task: fim_prompt(first, task.before, task.after),
        "suffix first, raw": lambda task: replace(fim_prompt(first, task.before, task.after), healed=False),
        "prefix first": lambda task: fim_prompt(last, task.before, task.after),
    }
    if arguments.served:
        orders = dict(list(orders.items())[:1])
    print(f"{'prompt':22} {'exact':>11} {'stripped':>11} {'begins so':>11}")
    for name, prompt_of in orders.items():
        started = time.perf_counter()
        pairs = [(written(engine, prompt_of(task), task), task.answer) for task in tasks]
        exact = sum(text.rstrip() == answer.rstrip() for text, answer in pairs)
        stripped = sum(text.strip() == answer.strip() for text, answer in pairs)
        begins = sum(text.lstrip().startswith(answer.strip()) for text, answer in pairs)
        seconds = time.perf_counter() - started
        shares = " ".join(share(count, len(tasks)) for count in (exact, stripped, begins))
        print(f"{name:22} {shares}  {seconds:.0f} s", flush=True)
    engine.close()


if __name__ == "__main__":
    main()
