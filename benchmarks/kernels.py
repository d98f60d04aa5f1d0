"""The packed kernels beside ggml's own Q8_0: billions of weights a second, and bits a weight, on one core.

Matrices are larger than the caches, half of their weights zeros without a pattern. Rates are of processor time, the
best of some rounds in which both take turns: on a busy machine the ratio says more than the figures.

    python benchmarks/kernels.py [--columns 896 4864] [--mib 200] [--tokens 1 64]
"""

import argparse
import ctypes
import time
from collections.abc import Callable

import numpy as np

from assistant.engine.native import llama_cpp
from tests.native.kernels import Q8, aligned, load, numbers, pack, pointer

ROUNDS = 5
Q8_0, F32, MEMORY = 8, 0, 64 << 20


def best(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Least processor seconds of each, in turns."""
    times = {name: float("inf") for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            started = time.thread_time()
            work()
            times[name] = min(times[name], time.thread_time() - started)
    return times


class Dense:
    """The product as ggml's CPU backend computes it on one thread."""

    class _Parameters(ctypes.Structure):  # ggml_init_params
        _fields_ = (("size", ctypes.c_size_t), ("buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool))

    def __init__(self, matrix: Q8, tokens: int) -> None:
        """A graph of one node, in memory of its own."""
        ggml = self._ggml = llama_cpp.llama_cpp._lib
        names = ("init", "new_tensor_2d", "mul_mat", "new_graph", "get_data")
        for name in names:
            getattr(ggml, f"ggml_{name}").restype = ctypes.c_void_p
        rows, columns = matrix.weights.shape
        parameters = self._Parameters(matrix.data.size + 8 * tokens * (rows + columns) + MEMORY, None, False)
        self._context = ctypes.c_void_p(ggml.ggml_init(parameters))
        weights = ctypes.c_void_p(ggml.ggml_new_tensor_2d(self._context, Q8_0, *numbers(columns, rows)))
        inputs = ctypes.c_void_p(ggml.ggml_new_tensor_2d(self._context, F32, *numbers(columns, tokens)))
        ctypes.memmove(ggml.ggml_get_data(weights), pointer(matrix.data), matrix.data.size)
        x = np.random.default_rng(1).standard_normal(tokens * columns).astype(np.float32)
        ctypes.memmove(ggml.ggml_get_data(inputs), pointer(x), x.nbytes)
        self._graph = ctypes.c_void_p(ggml.ggml_new_graph(self._context))
        product = ctypes.c_void_p(ggml.ggml_mul_mat(self._context, weights, inputs))
        ggml.ggml_build_forward_expand(self._graph, product)

    def run(self) -> None:
        """Computes it."""
        self._ggml.ggml_graph_compute_with_ctx(self._context, self._graph, 1)

    def close(self) -> None:
        """Frees its memory."""
        self._ggml.ggml_free(self._context)


def measure(columns: int, mebibytes: int, tokens: int) -> None:
    """Prints one line for each kernel."""
    library, random = load(), np.random.default_rng(0)
    rows = (mebibytes << 20) // columns // 16 * 16
    codes = random.integers(-127, 128, (rows, columns), dtype=np.int8)
    codes[random.random(codes.shape, dtype=np.float32) < 0.5] = 0
    matrix = Q8.of(codes, np.full((rows, columns // 32), 0.01, dtype=np.float16))
    packed = pack(library, matrix)
    apart = library.sned_column_bytes(*numbers(columns))
    inputs, scratch = aligned(apart * tokens), aligned(library.sned_scratch_bytes(*numbers(columns)))
    for token in range(tokens):
        x = random.standard_normal(columns).astype(np.float32)
        library.sned_quantise(*numbers(columns), pointer(x), pointer(inputs, apart * token))
    out = np.zeros((tokens, rows), dtype=np.float32)

    def run(kernel: int) -> None:
        shape = numbers(tokens, 0, rows)
        library.sned_multiply(
            kernel, pointer(packed), pointer(inputs), *shape, pointer(out), *numbers(rows), pointer(scratch)
        )

    dense = Dense(matrix, tokens)
    works: dict[str, Callable[[], object]] = {"ggml Q8_0": dense.run}
    library.sned_kernel_name.restype = ctypes.c_char_p
    for kernel in (1, 2):
        if library.sned_has_kernel(kernel):
            works[library.sned_kernel_name(kernel).decode()] = lambda kernel=kernel: run(kernel)
    times = best(works)
    for name, seconds in times.items():
        size = matrix.data.size if name == "ggml Q8_0" else len(packed)
        rate, ratio = codes.size * tokens / seconds / 1e9, times["ggml Q8_0"] / seconds
        print(f"{columns:7} {tokens:6} {name:16} {8 * size / codes.size:6.2f} {rate:12.1f} {ratio:6.2f}")
    dense.close()


def main() -> None:
    """Measures what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, nargs="+", default=[896, 4864])
    parser.add_argument("--mib", type=int, default=200)
    parser.add_argument("--tokens", type=int, nargs="+", default=[1, 64])
    arguments = parser.parse_args()
    print("columns tokens kernel             bits   Gweights/s  ratio")
    for columns in arguments.columns:
        for tokens in arguments.tokens:
            measure(columns, arguments.mib if tokens == 1 else 8, tokens)


if __name__ == "__main__":
    main()
