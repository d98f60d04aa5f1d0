"""One turn of measuring what a model costs: a program of its own, so that its memory is the model's alone."""

import json
import resource
import sys
import time
from contextlib import closing
from pathlib import Path

from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Prompt, Sampling, Segment
from assistant.settings import load_settings

_PROMPT_LINES, _DECODED = 40, 64
_LINES = "".join(f"    total += values[{number}] * {number}\n" for number in range(_PROMPT_LINES))
_PROMPT = Prompt((Segment(f"def weigh(values):\n    total = 0\n{_LINES}    return total\n\n\ndef"),))


def main() -> None:
    """Loads the model that is named, has it write, and prints the figures as JSON."""
    path, threads = Path(sys.argv[1]), int(sys.argv[2])
    begun = time.perf_counter()
    with closing(
        LlamaEngine(path, LlamaOptions(threads=threads, sparse_backend=load_settings().sparse_backend))
    ) as engine:
        loaded = time.perf_counter()
        generation = engine.generate(_PROMPT, Sampling(max_tokens=_DECODED))
        first: float | None = None
        for _ in generation:
            first = first or time.perf_counter()
        usage = generation.usage
        figures = {
            "load s": loaded - begun,
            "first suggestion s": (first or time.perf_counter()) - begun,
            "prefill tokens/s": usage.prefill_rate,
            "decode tokens/s": usage.decode_rate,
            "peak MB": _peak_bytes() / 1e6,
        }
    json.dump(figures, sys.stdout)


def _peak_bytes() -> int:
    """The most memory that this process held; macOS counts it in bytes, others in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
