"""Time of a build against one dense forward pass over the same calibration tokens, in one run.

    python benchmarks/build.py [--sequences 32] [--length 1024]

The dense pass calls transformers' own blocks on every sequence; dequantising the weights is counted apart. The build is
everything `sned build` does after it has the tokens: pruning, quantising, writing, and measuring the written file.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from gguf.constants import GGMLQuantizationType

from assistant.build_choices import base_to_build_from
from assistant.settings import load_settings
from assistant.store import Store
from export.gguf_writer import GGUFRewriter
from export.quantise import quantise_q8_0
from export.sparsity import measured_sparsity
from prune.blocks import BlockLoader
from prune.driver import prunable_tensors, prune_blocks
from prune.gguf_file import GGUFFile
from prune.options import PruneOptions


def dense_pass(file: GGUFFile, tokens: np.ndarray) -> tuple[float, float]:
    """Seconds of computing, and of loading, in a forward pass through all blocks."""
    computing = loading = 0.0
    with torch.inference_mode():
        loader = BlockLoader(file, tokens.shape[1])
        hidden = loader.embed(tokens)
        for index in range(loader.count):
            started = time.perf_counter()
            block = loader.load(index)
            loaded = time.perf_counter()
            for sequence in hidden:
                sequence.copy_(block.dense(sequence))
            loading += loaded - started
            computing += time.perf_counter() - loaded
            loader.unload(index)
    return computing, loading


def build(file: GGUFFile, tokens: np.ndarray, path: Path) -> float:
    """Seconds of a build."""
    started = time.perf_counter()
    names = prunable_tensors(file)
    with GGUFRewriter(file, path, dict.fromkeys(names, GGMLQuantizationType.Q8_0), {}) as writer:
        for matrix in prune_blocks(file, tokens, PruneOptions()):
            writer.write(matrix.name, quantise_q8_0(matrix.values))
        writer.finish()
    measured_sparsity(path, names)
    return time.perf_counter() - started


def main() -> int:
    """Prints both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=32)
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--base", help="a base model in the store; the default one otherwise")
    options = parser.parse_args()
    settings = load_settings()
    base = base_to_build_from(Store(settings.home), settings, options.base)
    # Time does not depend on which tokens they are.
    tokens = np.random.default_rng(0).integers(0, 50_000, (options.sequences, options.length)).astype(np.int32)
    with GGUFFile(base.path) as file, tempfile.TemporaryDirectory() as folder:
        built = build(file, tokens, Path(folder) / "model.gguf")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        computing, loading = dense_pass(file, tokens)
    print(f"{base.name}, {options.sequences} x {options.length} tokens, {torch.get_num_threads()} threads")
    print(f"dense forward pass   {computing:8.1f} s, and {loading:.1f} s to load the blocks")
    print(f"build                {built:8.1f} s, peak resident memory {peak:.2f} GB")
    print(f"ratio                {built / computing:8.2f}, {built / (computing + loading):.2f} with loading")
    return 0


if __name__ == "__main__":
    sys.exit(main())
