"""The side of llm-compressor in `benchmarks/pruning.py`: prunes once, and says as JSON what it took. Needs no sned.

python -m venv RIVAL && RIVAL/bin/pip install 'llmcompressor==0.14.*' torch
"""

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from llmcompressor import oneshot
from llmcompressor.modifiers.pruning import WandaPruningModifier
from llmcompressor.modifiers.pruning.wanda.wanda_sparsify import sparsify_weight
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM


def agreement(model: torch.nn.Module, norms: Path, masks: Path, sparsity: float) -> float:
    """The share of weights on which its own masks, from our norms, are ours."""
    same = weights = 0
    with np.load(norms) as known, np.load(masks) as ours:
        for name in known.files:
            module = model.get_submodule(name)
            rows = torch.from_numpy(known[name]).square()
            pruned = sparsify_weight(module, {module: rows}, sparsity, 0, 0)
            kept = np.packbits((pruned != 0).numpy())
            same += module.weight.numel() - int(np.bitwise_count(kept ^ ours[name]).sum())
            weights += module.weight.numel()
    return same / weights


def main() -> int:
    """Prints one JSON object, the last line of the output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--sparsity", type=float, default=0.5)
    options = parser.parse_args()
    tokens = torch.from_numpy(np.load(options.work / "tokens.npy").astype(np.int64))
    started = time.perf_counter()
    model = AutoModelForCausalLM.from_pretrained(options.folder, dtype="auto")
    loaded = time.perf_counter()
    same = agreement(model, options.work / "norms.npz", options.work / "masks.npz", options.sparsity)
    rows = [{"input_ids": each, "attention_mask": torch.ones_like(each)} for each in tokens]
    recipe = WandaPruningModifier(
        sparsity=options.sparsity, mask_structure="0:0", targets=["Linear"], ignore=["re:.*lm_head"]
    )
    began, processor = time.perf_counter(), time.process_time()
    oneshot(model=model, dataset=DataLoader(rows, batch_size=1), recipe=recipe, num_calibration_samples=len(rows))
    ended = time.perf_counter()
    report = {
        "wall": ended - began,
        "processor": time.process_time() - processor,
        "loading": loaded - started,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "threads": torch.get_num_threads(),
        "same": same,
    }
    sys.stdout.flush()
    os.write(1, ("\n" + json.dumps(report) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
