"""How fast a cancelled prefill frees the inference thread, and how much of it the KV cache keeps.

A prompt of 2,000 tokens is evaluated, and cancelled by a newer job of its key at a random moment. Printed for each
number of tokens that are evaluated at once: milliseconds from the newer job's submission to its start, the share of
the tokens evaluated until then that the cache kept, and the prefill's speed.

    python benchmarks/cancel.py --model base.gguf
"""

import argparse
import random
import time
from collections.abc import Sequence
from pathlib import Path

from assistant.engine.cancellation import Cancellation
from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Prompt, Sampling, Segment
from assistant.engine.scheduler import Scheduler

PROMPT_TOKENS = 2000
LONGEST_SECONDS = 4.0


def prompt_of(engine: LlamaEngine, number: int) -> Prompt:
    """A prompt of about 2,000 tokens that begins like no other."""
    text = f"# {number}\n"
    line = 0
    while engine.count_tokens(text) < PROMPT_TOKENS:
        text += "".join(f"number_{n} = value_of({n}) + {number}\n" for n in range(line, line + 20))
        line += 20
    return Prompt((Segment(text),))


def cancel_once(engine: LlamaEngine, scheduler: Scheduler, number: int) -> tuple[float, float, int]:
    """Seconds from cancelling to the thread being free, seconds of prefill before, and tokens the cache kept."""
    prompt = prompt_of(engine, number)

    def prefill(cancel: Cancellation) -> None:
        list(engine.generate(prompt, Sampling(max_tokens=1), cancel))

    scheduler.submit("document", prefill)
    ran = random.uniform(0.05, LONGEST_SECONDS)
    time.sleep(ran)
    asked = time.perf_counter()
    free = scheduler.submit("document", lambda _: time.perf_counter()).result() - asked
    generation = engine.generate(prompt, Sampling(max_tokens=1), cancelled())
    list(generation)
    return free, ran, generation.usage.cached_tokens


def cancelled() -> Cancellation:
    """A cancellation that is set: what is asked with it only tells what is cached."""
    cancel = Cancellation()
    cancel.set()
    return cancel


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def main() -> None:
    """Prints a line for each batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 64, 128, 512])
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    random.seed(0)
    print(f"{'batch':>5} {'p50 ms':>7} {'p95 ms':>7} {'max ms':>7} {'kept/s':>7}")
    for batch in arguments.batch:
        engine = LlamaEngine(arguments.model, LlamaOptions(batch=batch, threads=arguments.threads))
        scheduler = Scheduler(engine)
        results = [cancel_once(engine, scheduler, number) for number in range(arguments.times)]
        scheduler.close()
        waits = [1000 * free for free, _, _ in results]
        kept = sum(tokens for _, _, tokens in results) / sum(ran for _, ran, _ in results)
        figures = f"{quantile(waits, 0.5):7.1f} {quantile(waits, 0.95):7.1f} {max(waits):7.1f} {kept:7.1f}"
        print(f"{batch:5} {figures}", flush=True)


if __name__ == "__main__":
    main()
