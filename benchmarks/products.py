"""Products with packed matrices beside ggml's own, in one run: billions of weights a second, and bits a weight.

Every way computes the same graph, with the layout that ggml has for its type: the product eight times, as products
follow each other in a model: to wake a thread for a single one takes as long as a fifth of the fastest. Matrices are
larger than the caches, half of their weights zeros. The best of some rounds counts, in which all take turns: by the
clock, which ratios are of on a quiet machine, and for each processor second, of which they are with `--busy`.
`benchmarks/cores.py` tells what the processors share.

With `--readers`, so many processes read memory all the while, each on a core of its own if as many are left: that is a
machine with less bandwidth a core, which packed matrices without zeros ("all") tell in GB/s: memory alone limits them.

    python benchmarks/products.py [--columns 4096] [--millions 100] [--tokens 1] [--threads 2] [--readers 0] [--busy]
        [--kernel AVX2]
"""

import argparse
import ctypes
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from assistant.engine.native import llama_cpp
from tests.native.kernels import BLOCK, Dense, load, numbers, pack, pointer
from tests.native.product import Product, use_kernel

ROUNDS = 7
TIMES = 8  # that a graph has the product
DISTINCT_ROWS = 256  # the others are copies of them
READING = "import numpy\nx = numpy.ones(1 << 25)\nprint(flush=True)\nwhile True:\n    x.max()"
Q8_0, Q4_0, Q3_K = GGMLQuantizationType.Q8_0, GGMLQuantizationType.Q4_0, GGMLQuantizationType.Q3_K


def pruned(bits: int, columns: int, pattern: tuple[int, int] | None, block: int) -> Dense:
    """Rows of which half is zeros anywhere, or what an N:M pattern says; so many weights share a scale."""
    random = np.random.default_rng(0)
    kept, group = pattern or (columns // 2, columns)
    order = random.random((DISTINCT_ROWS, columns // group, group), dtype=np.float32).argsort(axis=2)
    zeros = random.random(order.shape) < 0.5 if pattern is None else order >= kept
    values = random.integers(1, 1 << bits - 1, order.shape)
    codes = np.where(zeros, 0, values).reshape(DISTINCT_ROWS, columns).astype(np.int8)
    scales = 0.01 + np.arange(columns // BLOCK) // (block // BLOCK) / columns
    return Dense.of(bits, codes, np.tile(scales.astype(np.float16), (DISTINCT_ROWS, 1)))


def quantised(kind: GGMLQuantizationType, columns: int) -> npt.NDArray[np.uint8]:
    """Rows of any weights as one of ggml's types, shape (rows, bytes)."""
    values = np.random.default_rng(0).standard_normal((DISTINCT_ROWS, columns)).astype(np.float32)
    block, size = GGML_QUANT_SIZES[kind]
    out = np.empty((DISTINCT_ROWS, columns // block * size), dtype=np.uint8)
    ggml = llama_cpp.llama_cpp._lib
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk(int(kind), pointer(values), pointer(out), *numbers(0, DISTINCT_ROWS, columns), None)
    return out


def ways(
    columns: int, rows: int, inputs: npt.NDArray[np.float32], threads: int
) -> Iterator[tuple[str, float, Product]]:
    """Each way's name, its bits a weight, and the product."""

    def whole(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return np.ascontiguousarray(np.tile(data.reshape(DISTINCT_ROWS, -1), (rows // DISTINCT_ROWS, 1)))

    for kind in (Q8_0, Q4_0, Q3_K):
        block, size = GGML_QUANT_SIZES[kind]
        if columns % block == 0:
            data = whole(quantised(kind, columns))
            product = Product(kind, data, (rows, columns), inputs, threads=threads, times=TIMES)
            yield f"ggml {kind.name}", 8 * size / block, product
    library = load()
    patterns = (("any half", None), ("4:8", (4, 8)), ("16:32", (16, 32)))
    forms = [(bits, block, *each) for bits in (8, 4) for block in (32, 128) for each in patterns]
    for bits, block, name, pattern in [(8, BLOCK, "all", (1, 1)), *forms]:
        matrix = pruned(bits, columns, pattern, block)
        taken = 8 * len(pack(library, matrix)) / matrix.weights.size
        data = whole(matrix.data)
        product = Product(matrix.kind, data, (rows, columns), inputs, packed=True, threads=threads, times=TIMES)
        yield f"{bits} bits{f'/{block}' if block > BLOCK else ''}, {name}", taken, product


@contextmanager
def readers(count: int) -> Iterator[None]:
    """So many processes that read memory."""
    processes = [subprocess.Popen([sys.executable, "-c", READING], stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for each in processes:
            assert each.stdout is not None
            each.stdout.readline()
        yield
    finally:
        for each in processes:
            each.kill()
            each.wait()


def measure(columns: int, millions: float, tokens: int, threads: int, *, busy: bool) -> None:
    """Prints one line for each way."""
    rows = max(1, round(millions * 1e6 / columns / DISTINCT_ROWS)) * DISTINCT_ROWS
    inputs = np.random.default_rng(1).standard_normal((tokens, columns)).astype(np.float32)
    products = list(ways(columns, rows, inputs, threads))
    wall, processor = ({name: float("inf") for name, _, _ in products} for _ in range(2))
    for _ in range(ROUNDS):
        for name, _, product in products:
            started, worked = time.perf_counter(), time.process_time()
            product.run()
            wall[name] = min(wall[name], (time.perf_counter() - started) / TIMES)
            processor[name] = min(processor[name], (time.process_time() - worked) / TIMES)
    times = processor if busy else wall
    rivals = [name for name, _, _ in products if name.startswith("ggml")]
    ratios = " ".join(f"  to {name[5:]}" for name in rivals)
    print(f"columns tokens kind                 bits  Gweights/s (CPU s) {ratios}    GB/s")
    for name, bits, product in products:
        work = rows * columns * tokens / 1e9
        ratios = " ".join(f"{times[rival] / times[name]:8.2f}" for rival in rivals)
        read = rows * columns * bits / 8e9 / wall[name]
        print(
            f"{columns:7} {tokens:6} {name:19} {bits:5.2f} {work / wall[name]:9.1f} {work / processor[name]:10.1f}"
            f" {ratios} {read:7.1f}"
        )
        product.close()


def main() -> None:
    """Measures what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, nargs="+", default=[4096])
    parser.add_argument("--millions", type=float, default=100, help="of weights; an eighth for several tokens")
    parser.add_argument("--tokens", type=int, nargs="+", default=[1])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--readers", type=int, default=0)
    parser.add_argument("--kernel", help="instead of the fastest one, as sned doctor names it")
    arguments = parser.parse_args()
    if arguments.kernel:
        use_kernel(arguments.kernel)
    for columns in arguments.columns:
        for tokens in arguments.tokens:
            with readers(arguments.readers):
                measure(
                    columns,
                    arguments.millions / (1 if tokens == 1 else 8),
                    tokens,
                    arguments.threads,
                    busy=arguments.busy,
                )


if __name__ == "__main__":
    main()
