"""A pruned model computed with as it is packed, beside stock llama.cpp with the same file and threads.

Each way runs in processes of its own, in turns; medians are given. Processor time holds up better than wall-clock time
where other work shares the cores. Memory is what the process has for itself.

    python benchmarks/decode.py MODEL.gguf [--threads 2] [--rounds 3] [--tokens 64] [--prompt 256]
        [--kernel AVX2]
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil

from tests.native.product import use_kernel

WAYS = ("off", "on")


def run(path: Path, mode: str, threads: int, tokens: int, prompt: int) -> dict[str, float]:
    """Seconds and bytes of one process."""
    from assistant.engine.loading import load_model
    from assistant.engine.memory import read_shape
    from assistant.engine.native import llama_cpp
    from assistant.engine.sparse_backend import place

    parameters = llama_cpp.llama_model_default_params()
    parameters.n_gpu_layers = 0
    started = time.process_time()
    placement = place(path, mode, parameters)
    parameters.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE
    model = load_model(path, read_shape(path), parameters, placement.matrices)
    load = time.process_time() - started
    assert (placement.backend == "dense") == (mode == "off"), placement.backend
    options = llama_cpp.llama_context_default_params()
    options.n_ctx, options.n_threads, options.n_threads_batch = 2048, threads, threads
    context = llama_cpp.llama_init_from_model(model, options)
    size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))

    def decode(batch: list[int]) -> int:
        array = (llama_cpp.llama_token * len(batch))(*batch)
        assert llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(array, len(batch))) == 0
        return int(np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, -1), shape=(size,)).argmax())

    text = Path(__file__).read_bytes()
    words = (llama_cpp.llama_token * 4096)()
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    count = llama_cpp.llama_tokenize(vocabulary, text, len(text), words, len(words), False, False)
    begun = list(words[: min(prompt, count)])
    decode(begun)
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
    started, wall = time.process_time(), time.perf_counter()
    last = decode(begun)
    prefill, prefill_wall = time.process_time() - started, time.perf_counter() - wall
    times = []
    started = time.process_time()
    for _ in range(tokens):
        wall = time.perf_counter()
        last = decode([last])
        times.append(time.perf_counter() - wall)
    memory = psutil.Process().memory_info()
    return {
        "load CPU s": load,
        "prefill CPU tokens/s": len(begun) / prefill,
        "prefill wall tokens/s": len(begun) / prefill_wall,
        "decode CPU ms/token": 1000 * (time.process_time() - started) / tokens,
        "decode wall ms/token": 1000 * statistics.median(times),
        "decode best ms/token": 1000 * min(times),
        "memory MB": (memory.rss - memory.shared) / 1e6,
    }


def main() -> None:
    """Runs both ways in turns, and prints them side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--kernel", help="instead of the fastest one, as sned doctor names it")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        if arguments.kernel:
            use_kernel(arguments.kernel)
        print(json.dumps(run(arguments.model, arguments.way, arguments.threads, arguments.tokens, arguments.prompt)))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(arguments.rounds):
        for way in WAYS:
            command = [sys.executable, *sys.argv, "--way", way]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found[way].append(json.loads(output))
    print(f"{'':24}{'dense':>10}{'sparse':>10}{'ratio':>8}")
    for name in found["off"][0]:
        dense, sparse = (statistics.median(each[name] for each in found[way]) for way in WAYS)
        print(f"{name:24}{dense:10.1f}{sparse:10.1f}{sparse / dense:8.2f}")


if __name__ == "__main__":
    main()
