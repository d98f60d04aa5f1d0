"""Plain Wanda by sned and by llm-compressor's WandaPruningModifier, in one run: time, memory, and whether masks agree.

    python -m venv RIVAL && RIVAL/bin/pip install 'llmcompressor==0.14.*' torch
    python benchmarks/pruning.py --rival RIVAL/bin/python [--sequences 8] [--length 512] [--dtype bf16]

Both prune the same Hugging Face folder (the base model, as `sned export --to safetensors` writes it) with the same
tokens and threads, each in a process of its own. What loading takes is counted apart: sned loads block by block as it
prunes, llm-compressor all of the model before. Peak memory is that of the whole process. Masks are compared with the
same statistics: llm-compressor's own function is given sned's norms.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from assistant.build_choices import base_to_build_from
from assistant.settings import load_settings
from assistant.store import Store
from export.hugging_face.folder import write_folder
from export.hugging_face.safetensors import DType
from prune.architectures import Matrix
from prune.options import PruneOptions
from prune.safetensors_file import SafetensorsFile

RIVAL_SCRIPT = Path(__file__).with_name("pruning_rival.py")


def own(folder: Path, work: Path, sparsity: float) -> dict[str, float]:
    """Prunes, and says what it took; norms and masks go to files, by the name of the module."""
    import torch

    from prune.blocks import Block, BlockLoader
    from prune.driver import prune_blocks
    from prune.passing import MaskPass

    loading = loading_processor = 0.0
    load, find = BlockLoader.load, MaskPass._mask
    norms: dict[str, np.ndarray] = {}
    masks: dict[str, np.ndarray] = {}

    def timed_load(loader: BlockLoader, index: int) -> Block:
        nonlocal loading, loading_processor
        started, processor = time.perf_counter(), time.process_time()
        block = load(loader, index)
        loading += time.perf_counter() - started
        loading_processor += time.process_time() - processor
        return block

    def kept_mask(
        masking: MaskPass, index: int, matrix: Matrix, weight: torch.Tensor, seen: torch.Tensor
    ) -> torch.Tensor:
        mask = find(masking, index, matrix, weight, seen)
        name = f"model.layers.{index}.{matrix.module}"
        norms[name] = seen.numpy()
        masks[name] = np.packbits((mask & (weight != 0)).numpy())
        return mask

    BlockLoader.load, MaskPass._mask = timed_load, kept_mask
    with SafetensorsFile(folder) as file:
        BlockLoader(file, 1)  # imports what transformers has for this model, as llm-compressor's side does with loading
        started, processor = time.perf_counter(), time.process_time()
        for _ in prune_blocks(file, np.load(work / "tokens.npy"), PruneOptions(sparsity=sparsity)):
            pass
        wall, processor = time.perf_counter() - started, time.process_time() - processor
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    np.savez(work / "norms.npz", **norms)
    np.savez(work / "masks.npz", **masks)
    return {
        "wall": wall - loading,
        "processor": processor - loading_processor,
        "loading": loading,
        "peak": peak,
        "threads": torch.get_num_threads(),
    }


def run(*command: str | Path) -> dict[str, Any]:
    """The JSON of a process's last line."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def main() -> int:
    """Prints both, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rival", type=Path, help="the Python of an environment with llm-compressor 0.14")
    parser.add_argument("--base", help="a base model in the store; the default one otherwise")
    parser.add_argument("--folder", type=Path, help="a Hugging Face folder, in place of one written from the base")
    parser.add_argument("--dtype", choices=[each.value for each in DType], default="bf16", help="of the folder written")
    parser.add_argument("--sequences", type=int, default=8)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--sparsity", type=float, default=0.5)
    parser.add_argument("--own", type=Path, help=argparse.SUPPRESS)  # the side of sned, in a process of its own
    options = parser.parse_args()
    if options.own is not None:
        print(json.dumps(own(options.folder, options.own, options.sparsity)))
        return 0
    settings = load_settings()
    with tempfile.TemporaryDirectory() as place:
        work, folder = Path(place), options.folder or Path(place) / "model"
        if options.folder is None:
            base = base_to_build_from(Store(settings.home), settings, options.base)
            write_folder(base.path, folder, DType(options.dtype))
        # Time does not depend on which tokens they are.
        with SafetensorsFile(folder) as file:
            vocabulary = file.tensor("token_embd.weight").shape[0]
        tokens = np.random.default_rng(0).integers(0, vocabulary, (options.sequences, options.length)).astype(np.int32)
        np.save(work / "tokens.npy", tokens)
        ours = run(sys.executable, __file__, "--own", work, "--folder", folder, "--sparsity", str(options.sparsity))
        # Isolated: this folder has modules with names of packages that it looks for.
        rival = run(options.rival, "-I", RIVAL_SCRIPT, folder, work, "--sparsity", str(options.sparsity))
    print(f"{options.sequences} x {options.length} tokens, {ours['threads']} and {rival['threads']} threads")
    print(f"{'':24}{'sned':>10}{'llm-compressor':>16}{'ratio':>8}")
    for label, key, unit in (
        ("pruning, seconds", "wall", 1.0),
        ("processor, seconds", "processor", 1.0),
        ("loading, seconds", "loading", 1.0),
        ("peak memory, GB", "peak", 1e9),
    ):
        print(f"{label:24}{ours[key] / unit:>10.2f}{rival[key] / unit:>16.2f}{ours[key] / rival[key]:>8.2f}")
    print(f"masks from the same norms: equal in {rival['same']:.4%} of all weights")
    return 0


if __name__ == "__main__":
    sys.exit(main())
