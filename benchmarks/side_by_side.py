"""Functions written many at once beside one at a time: tokens a second, and how often greedy texts differ.

    python benchmarks/side_by_side.py MODEL --tasks python.jsonl [--texts 32] [--at-once 4 8 16] [--threads 2]

MODEL is a name of the store or a GGUF file; tasks are in HumanEval-X's format, every so many of the file's. Texts end
where `sned eval --tasks` ends them. Times are of everything, prompts included; processor time holds up better where
other work shares the cores, and the ratio is that of tokens a second of it.
"""

import argparse
import time
from contextlib import closing
from pathlib import Path

from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Sampling, Wanted
from assistant.evaluation.gap_by_gap import reset
from assistant.evaluation.prompts import completion_prompt
from assistant.evaluation.tasks import FunctionTask, read_tasks
from assistant.evaluation.truncation import body_end, goes_in_circles
from assistant.selection import select_model
from assistant.settings import load_settings


def wanted_for(task: FunctionTask, tokens: int) -> Wanted:
    """What is asked of a model."""
    return Wanted(
        completion_prompt(task),
        Sampling(tokens),
        lambda text: body_end(text, task.language) is not None or goes_in_circles(text),
    )


def write_alone(engine: LlamaEngine, wanted: Wanted) -> tuple[str, int]:
    """The text, and how many tokens it has."""
    reset(engine)
    text = ""
    with closing(engine.generate(wanted.prompt, wanted.sampling)) as generation:
        for piece in generation:
            text += piece
            if wanted.enough(text):
                break
    return text, generation.usage.completion_tokens


def main() -> None:
    """Prints a line a way of writing; ratios are to the first, one at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--tasks", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--at-once", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    path = select_model(load_settings(), None, options.model).path
    tasks = read_tasks(options.tasks, FunctionTask).tasks
    tasks = tasks[:: max(1, len(tasks) // options.texts)][: options.texts]
    wanted = [wanted_for(task, options.tokens) for task in tasks]
    print(f"{'at once':>8} {'tokens':>8} {'seconds':>8} {'CPU s':>8} {'a CPU s':>8} {'ratio':>6} {'differ':>12}")
    alone: list[str] = []
    rate = 0.0
    for at_once in (1, *options.at_once):
        engine = LlamaEngine(path, LlamaOptions(threads=options.threads, side_by_side=at_once))
        texts, tokens = [""] * len(wanted), 0
        started, used = time.perf_counter(), time.process_time()
        if at_once == 1:
            for number, each in enumerate(wanted):
                texts[number], count = write_alone(engine, each)
                tokens += count
        else:
            for done in engine.write_side_by_side(wanted):
                texts[done.number], tokens = done.text, tokens + done.usage.completion_tokens
        seconds, used = time.perf_counter() - started, time.process_time() - used
        engine.close()
        alone, rate = alone or texts, rate or tokens / used
        differ = sum(one != other for one, other in zip(alone, texts, strict=True))
        print(
            f"{at_once:>8} {tokens:>8} {seconds:>8.1f} {used:>8.1f} {tokens / used:>8.1f} {tokens / used / rate:>6.2f} "
            f"{differ:>5} of {len(texts):>3}",
            flush=True,
        )


if __name__ == "__main__":
    main()
