"""Peak memory of pruning a model of 7B's shape, by its number of blocks: it stays the same.

    python benchmarks/depth.py [--blocks 2 4] [--sequences 4] [--length 256] [--least-squares]

Random weights in the shape of Qwen2.5-Coder-7B (28 blocks, 3,584 wide, 18,944 in the MLP) with a small vocabulary, as
sharded safetensors in bf16, 466 MB a block; each depth is pruned in a process of its own. At the end: what a build says
that it needs for the whole 7B with the recipe `fast`.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from assistant.build import prune_options
from assistant.recipe_files import recipe_called
from prune.driver import memory_needed, prune_blocks
from prune.options import PruneOptions
from prune.safetensors_file import SafetensorsFile

WIDTH, INTERMEDIATE, HEADS, KV_HEADS, HEAD, VOCABULARY, WHOLE = 3584, 18944, 28, 4, 128, 4096, 28


def write_checkpoint(folder: Path, blocks: int) -> None:
    """A Hugging Face folder with a shard for each block; all blocks have the same weights."""
    folder.mkdir()
    config = {
        "model_type": "qwen2",
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": blocks,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0,
        "tie_word_embeddings": False,
    }
    (folder / "config.json").write_text(json.dumps(config))
    random = torch.Generator().manual_seed(0)

    def matrix(rows: int, columns: int) -> torch.Tensor:
        return (torch.randn(rows, columns, generator=random) / columns**0.5).to(torch.bfloat16)

    def ones(extent: int) -> torch.Tensor:
        return torch.ones(extent, dtype=torch.bfloat16)

    shared = {
        "self_attn.q_proj": matrix(HEADS * HEAD, WIDTH),
        "self_attn.k_proj": matrix(KV_HEADS * HEAD, WIDTH),
        "self_attn.v_proj": matrix(KV_HEADS * HEAD, WIDTH),
        "self_attn.o_proj": matrix(WIDTH, HEADS * HEAD),
        "mlp.gate_proj": matrix(INTERMEDIATE, WIDTH),
        "mlp.up_proj": matrix(INTERMEDIATE, WIDTH),
        "mlp.down_proj": matrix(WIDTH, INTERMEDIATE),
        "input_layernorm": ones(WIDTH),
        "post_attention_layernorm": ones(WIDTH),
    }
    places: dict[str, str] = {}

    def shard(name: str, tensors: dict[str, torch.Tensor]) -> None:
        save_file(tensors, folder / name)
        places.update(dict.fromkeys(tensors, name))

    for block in range(blocks):
        tensors = {f"model.layers.{block}.{path}.weight": values for path, values in shared.items()}
        for path in ("q_proj", "k_proj", "v_proj"):
            tensors[f"model.layers.{block}.self_attn.{path}.bias"] = ones(len(shared[f"self_attn.{path}"]))
        shard(f"block-{block:02}.safetensors", tensors)
    outside = {name: matrix(VOCABULARY, WIDTH) for name in ("model.embed_tokens.weight", "lm_head.weight")}
    shard("outside.safetensors", {**outside, "model.norm.weight": ones(WIDTH)})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def prune_once(folder: Path, sequences: int, length: int, options: PruneOptions) -> dict[str, float]:
    """Peak memory in bytes, and the seconds, of pruning once."""
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, (sequences, length)).astype(np.int32)
    started = time.perf_counter()
    with SafetensorsFile(folder) as file:
        needed = memory_needed(file, sequences, length, options)
        for _ in prune_blocks(file, tokens, options):
            pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"peak": peak, "needed": needed, "seconds": time.perf_counter() - started}


def main() -> int:
    """Prints a table; the exit status is 1 where the deepest takes over 5% more than the shallowest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--sequences", type=int, default=4)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--least-squares", action="store_true")
    parser.add_argument("--once", type=Path, help=argparse.SUPPRESS)  # in a process of its own
    options = parser.parse_args()
    if options.once is not None:
        pruning = PruneOptions(least_squares=options.least_squares)
        print(json.dumps(prune_once(options.once, options.sequences, options.length, pruning)))
        return 0
    print(f"{options.sequences} x {options.length} tokens")
    print(f"{'blocks':>6} {'peak GB':>8} {'estimate':>9} {'seconds':>8} {'a block':>8}")
    peaks = []
    for blocks in options.blocks:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "model"
            write_checkpoint(folder, blocks)
            again = [*sys.argv[1:], "--once", str(folder)]
            done = subprocess.run([sys.executable, __file__, *again], capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stderr[-3000:])
            found = json.loads(done.stdout.splitlines()[-1])
            recipe = recipe_called("fast", {})
            with SafetensorsFile(folder) as file:
                whole = memory_needed(file, recipe.sequences, recipe.sequence_length, prune_options(recipe))
        peaks.append(found["peak"])
        print(
            f"{blocks:>6} {found['peak'] / 1e9:>8.2f} {found['needed'] / 1e9:>9.2f} "
            f"{found['seconds']:>8.1f} {found['seconds'] / blocks:>8.1f}",
            flush=True,
        )
    print(
        f"all {WHOLE} blocks with the recipe fast ({recipe.tokens:,} tokens): {whole / 1e9:.1f} GB beside the program"
    )
    return int(max(peaks) > 1.05 * min(peaks))


if __name__ == "__main__":
    sys.exit(main())
