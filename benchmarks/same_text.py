"""Whether a pruned model writes the same packed and dense: greedy text after prompts, as counts.

The prompts are those of a file of tasks, one JSON object a line (`sned eval --tasks`). Only how many texts are equal is
printed, and no task by itself.

    python benchmarks/same_text.py MODEL.gguf --tasks TASKS.jsonl [--sample 82] [--tokens 48] [--threads 2]
"""

import argparse
import json
from contextlib import closing
from pathlib import Path

from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Prompt, Sampling, Segment
from assistant.engine.sparse_backend import SparseBackend


def prompts_of(tasks: Path, sample: int) -> list[str]:
    """The prompts of so many tasks, evenly over the file."""
    found = [json.loads(line)["prompt"] for line in tasks.read_text().splitlines() if line.strip()]
    return found[:: max(1, len(found) // sample)][:sample]


def written(path: Path, mode: SparseBackend, prompts: list[str], tokens: int, threads: int) -> tuple[str, list[str]]:
    """What computes, and what is written after each prompt."""
    options = LlamaOptions(context=2048, threads=threads, sparse_backend=mode)
    with closing(LlamaEngine(path, options)) as engine:
        sampling = Sampling(max_tokens=tokens)
        return engine.info.backend, ["".join(engine.generate(Prompt((Segment(each),)), sampling)) for each in prompts]


def main() -> None:
    """Prints how many texts are the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--tasks", type=Path, required=True)
    parser.add_argument("--sample", type=int, default=82)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    prompts = prompts_of(arguments.tasks, arguments.sample)
    backend, packed = written(arguments.model, "on", prompts, arguments.tokens, arguments.threads)
    _, dense = written(arguments.model, "off", prompts, arguments.tokens, arguments.threads)
    same = sum(one == other for one, other in zip(packed, dense, strict=True))
    print(f"{backend}: {same} of {len(prompts)} texts of up to {arguments.tokens} tokens are those of the dense load")


if __name__ == "__main__":
    main()
