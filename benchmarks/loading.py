"""Loading a model: plain and mapped, plain and read into memory, and sparse, in turns.

    python benchmarks/loading.py MODEL [--turns 3] [--values int4 --block 128]

MODEL is a name of the store or a GGUF file with pruned matrices. Each load has a process of its own; page cache is warm
from the first turn on, and the best turn of each counts. Where others work too, the sparse file's time grows by more
than the others': it is the one that takes two cores.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from plain_models import plain_file

from assistant.engine.loading import load_model
from assistant.engine.memory import read_shape
from assistant.engine.native import llama_cpp
from assistant.selection import select_model
from assistant.settings import load_settings
from export.sparse.convert import SparseOptions, dense_to_sparse
from export.sparse.layout import ValueType

_MEASURE = "--measure"
_MAPPED, _READ = "mapped", "read"


def main() -> None:
    """Prints a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--values", type=ValueType)
    parser.add_argument("--block", type=int)
    options = parser.parse_args()
    model = select_model(load_settings(), None, options.model).path
    with tempfile.TemporaryDirectory() as folder:
        plain, sparse = plain_file(model, Path(folder)), Path(folder) / "sparse.gguf"
        dense_to_sparse(plain, sparse, SparseOptions(values=options.values, block=options.block))
        ways = {
            "plain, mapped": (plain, _MAPPED),
            "plain, read into memory": (plain, _READ),
            f"sparse, {sparse.stat().st_size / 1e6:.1f} MB": (sparse, _MAPPED),
        }
        turns = [{label: _measured(*way) for label, way in ways.items()} for _ in range(options.turns + 1)][1:]
    print(f"{'':28}" + "".join(f"{head:>13}" for head in ("load s", "CPU s", "resident MB", "peak MB", "of mapped")))
    mapped = min(turn["plain, mapped"]["load"] for turn in turns)
    for label in ways:
        best = {key: min(turn[label][key] for turn in turns) for key in turns[0][label]}
        row = (best["load"], best["cpu"], best["resident"] / 1e6, best["peak"] / 1e6, best["load"] / mapped)
        print(f"{label:28}" + "".join(f"{value:13.2f}" for value in row))


def _measured(path: Path, way: str) -> dict[str, float]:
    command = [sys.executable, __file__, _MEASURE, path, way]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {key: float(value) for key, value in json.loads(done.stdout).items()}


def measure(path: Path, way: str) -> None:
    """Loads a model once and prints what it took, as JSON."""
    parameters = llama_cpp.llama_model_default_params()
    if way == _READ:
        parameters.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE
    shape = read_shape(path)
    cpu, wall = time.process_time(), time.perf_counter()
    load_model(path, shape, parameters)
    found = {"load": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    found |= {"resident": psutil.Process().memory_info().rss}
    found |= {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1:2] == [_MEASURE]:
        measure(Path(sys.argv[2]), sys.argv[3])
    else:
        main()
