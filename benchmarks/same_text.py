"""Whether a pruned model writes the same packed and dense: greedy text after prompts, as counts.

The prompts are those of files of tasks, one JSON object a line (`sned eval --tasks`). Only how many texts of each file
are equal is printed, and no task by itself. Texts that are written at once are what each would be by itself: nothing
depends on what else is in a step (`assistant/engine/side_by_side.py`).

    python benchmarks/same_text.py MODEL.gguf --tasks TASKS.jsonl... [--sample 82] [--tokens 48] [--threads 2]
        [--at-once 1]
"""

import argparse
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Prompt, Sampling, Segment, Wanted
from assistant.engine.sparse_backend import SparseBackend


def prompts_of(tasks: Path, sample: int) -> list[str]:
    """The prompts of so many tasks, evenly over the file."""
    found = [json.loads(line)["prompt"] for line in tasks.read_text().splitlines() if line.strip()]
    return found[:: max(1, len(found) // sample)][:sample]


def written(
    path: Path, mode: SparseBackend, prompts: list[str], tokens: int, options: LlamaOptions
) -> tuple[str, list[str]]:
    """What computes, and what is written after each prompt."""
    with closing(LlamaEngine(path, replace(options, sparse_backend=mode))) as engine:
        wanted = [Wanted(Prompt((Segment(each),)), Sampling(max_tokens=tokens)) for each in prompts]
        if options.side_by_side == 1:
            return engine.info.backend, ["".join(engine.generate(each.prompt, each.sampling)) for each in wanted]
        texts = {each.number: each.text for each in engine.write_side_by_side(wanted)}
        return engine.info.backend, [texts[number] for number in range(len(wanted))]


def main() -> None:
    """Prints how many texts are the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--tasks", type=Path, nargs="+", required=True)
    parser.add_argument("--sample", type=int, default=82, help="of each file")
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=1, help="1, or a multiple of 8")
    arguments = parser.parse_args()
    options = LlamaOptions(context=2048, threads=arguments.threads, side_by_side=arguments.at_once)
    for tasks in arguments.tasks:
        prompts = prompts_of(tasks, arguments.sample)
        backend, packed = written(arguments.model, "on", prompts, arguments.tokens, options)
        _, dense = written(arguments.model, "off", prompts, arguments.tokens, options)
        same = sum(one == other for one, other in zip(packed, dense, strict=True))
        texts = f"{same} of {len(prompts)} texts of up to {arguments.tokens} tokens"
        print(f"{tasks.stem}, {backend}: {texts} are those of the dense load", flush=True)


if __name__ == "__main__":
    main()
