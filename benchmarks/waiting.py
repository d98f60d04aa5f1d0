"""What llama.cpp's threads do while they wait for each other: decoding by how long they spin, and beside other work.

Each round decodes with every setting, once a process: asleep at once (OpenMP's passive policy), spinning for so many
rounds first (GOMP_SPINCOUNT), and as long as OpenMP does by itself (300,000).

    python benchmarks/waiting.py --model base.gguf --busy 0 1 2
"""

import argparse
import os
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

SPINS = (0, 200, 1000, 300_000)


def decode_rate(model: Path, tokens: int, threads: int) -> float:
    """Tokens decoded a second in this process, whose environment says how threads wait."""
    from assistant.engine.llama import LlamaEngine, LlamaOptions
    from assistant.engine.protocol import Prompt, Sampling, Segment

    engine = LlamaEngine(model, LlamaOptions(threads=threads))
    prompt = Prompt((Segment("def fibonacci(n):\n"),))
    for count in (8, tokens):
        with closing(engine.generate(prompt, Sampling(max_tokens=count))) as generation:
            for _ in generation:
                pass
    engine.close()
    return generation.usage.decode_rate


def measured(arguments: argparse.Namespace, spins: int) -> float:
    """The same in a process of its own that spins so long."""
    command = [sys.executable, __file__, "--model", arguments.model, "--tokens", arguments.tokens, "--once"]
    command += ["--threads", arguments.threads]
    environment = os.environ | {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": str(spins)}
    done = subprocess.run([str(each) for each in command], env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout)


def main() -> None:
    """Prints tokens a second by setting and number of busy processes beside, and what each has for sleeping at once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2], help="processes that do nothing but spin")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        print(decode_rate(arguments.model, arguments.tokens, arguments.threads))
        return
    print(f"{'busy':>4}" + "".join(f"{spins:>18,}" for spins in SPINS))
    for busy in arguments.busy:
        with ExitStack() as stack:
            for _ in range(busy):
                beside = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
                stack.callback(beside.kill)
            rounds = [[measured(arguments, spins) for spins in SPINS] for _ in range(arguments.rounds)]
        rates = [median(each) for each in zip(*rounds, strict=True)]
        print(f"{busy:>4}" + "".join(f"{rate:>12.1f} {rate / rates[0]:5.2f}" for rate in rates), flush=True)


if __name__ == "__main__":
    main()
