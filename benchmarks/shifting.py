"""What moving tokens in the cache saves when the cursor moves, and what it costs in exact matches.

The cursor goes to a task's place a line at a time, from above and from below, and the prompt of each place is evaluated
as an editor would have it. Then the line is completed: exact matches, tokens and milliseconds for each move are
compared with and without `shift`. Tasks are JSON lines as for benchmarks/infilling.py, for evaluation alone.

    python benchmarks/shifting.py --model base.gguf --tasks single_line.jsonl --sample 100
"""

import argparse
import json
import random
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Sampling
from assistant.fim import FimTokens, fim_prompt, find_fim_tokens


@dataclass(frozen=True)
class Way:
    """How the cursor comes to its place: over how many lines, from above or below, with or without shifting."""

    lines: int
    above: bool
    shift: bool


@dataclass
class Tally:
    """Sums over all tasks."""

    matches: int = 0
    moves: int = 0
    evaluated: int = 0
    tokens: int = 0
    seconds: float = 0.0


def places(before: str, after: str, lines: int, *, above: bool) -> list[tuple[str, str]]:
    """The texts before and after the cursor on its way over some lines to the place between `before` and `after`."""
    whole, cursor = before + after, len(before)
    starts = [0, *(index + 1 for index, character in enumerate(whole) if character == "\n")]
    passed = [start for start in starts if start < cursor] if above else [start for start in starts if start > cursor]
    way = passed[-lines:] if above else passed[:lines][::-1]
    return [(whole[:start], whole[start:]) for start in [*way, cursor]]


def walk(engine: LlamaEngine, fim: FimTokens, record: dict[str, str], tally: Tally, way: Way) -> None:
    """Moves the cursor to the task's place, completes the line there, and adds up what it took."""
    line = record["canonical_solution"].split("\n")[0]
    indentation = line[: len(line) - len(line.lstrip())]
    stops = places(record["prompt"] + indentation, "\n" + record["suffix"], way.lines, above=way.above)
    engine.prefill(fim_prompt(fim, "something else", ""))
    for number, (before, after) in enumerate(stops):
        started = time.perf_counter()
        usage = engine.prefill(fim_prompt(fim, before, after), shift=way.shift)
        if number:
            tally.moves += 1
            tally.seconds += time.perf_counter() - started
            tally.tokens += usage.prompt_tokens
            tally.evaluated += usage.prompt_tokens - usage.cached_tokens
    text = ""
    with closing(engine.generate(fim_prompt(fim, *stops[-1]), Sampling(max_tokens=64), shift=way.shift)) as generation:
        for piece in generation:
            text += piece
            if "\n" in text:
                break
    tally.matches += text.split("\n")[0].rstrip() == line[len(indentation) :].rstrip()


def main() -> None:
    """Prints a line for each direction, with and without shifting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tasks", type=Path, required=True)
    parser.add_argument("--sample", type=int, default=100)
    parser.add_argument("--lines", type=int, default=4, help="lines the cursor moves over")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    tasks = arguments.tasks.read_text(encoding="utf-8").splitlines()
    chosen = [json.loads(line) for line in random.Random(0).sample(tasks, min(arguments.sample, len(tasks)))]
    engine = LlamaEngine(arguments.model, LlamaOptions(threads=arguments.threads))
    fim = find_fim_tokens(engine)
    ways = [Way(arguments.lines, above, shift) for above in (True, False) for shift in (False, True)]
    tallies = {way: Tally() for way in ways}
    for record in chosen:
        for way in ways:
            walk(engine, fim, record, tallies[way], way)
    print(f"{'from':6} {'shift':6} {'exact match':>12} {'evaluated a move':>17} {'ms a move':>10}")
    for way, tally in tallies.items():
        match = f"{tally.matches}/{len(chosen)} {tally.matches / len(chosen):.2f}"
        evaluated = f"{tally.evaluated / tally.moves:.0f} of {tally.tokens / tally.moves:.0f}"
        name, milliseconds = "above" if way.above else "below", 1000 * tally.seconds / tally.moves
        print(f"{name:6} {'yes' if way.shift else 'no':6} {match:>12} {evaluated:>17} {milliseconds:>10.0f}")
    engine.close()


if __name__ == "__main__":
    main()
