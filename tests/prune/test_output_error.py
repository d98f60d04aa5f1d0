"""Errors of outputs: the formula, a sample that is spread evenly, and what a model's matrices have."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prune.driver import prune_blocks
from prune.gguf_file import GGUFFile
from prune.options import Distillation, PruneOptions
from prune.output_error import InputSample, relative_error
from tests.prune import reference
from tests.prune import tiny_models as tiny

TOKENS = np.random.default_rng(7).integers(0, tiny.VOCABULARY, (5, 24)).astype(np.int32)  # all of them are sampled


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12))
def test_the_sample_is_every_so_many_positions_however_they_come(lengths: list[int]) -> None:
    total = sum(lengths)
    inputs = torch.arange(total, dtype=torch.float32)[:, None] % 128  # whole numbers that 16-bit floats have
    sample = InputSample(total)
    for part in inputs.split(lengths):
        sample.add(part)
    every = max(1, total // 128)
    assert sample.result().float().tolist() == inputs[::every].tolist()
    assert min(total, 128) <= len(sample.result()) < 256


def test_nothing_lost_is_no_error_and_all_lost_is_one() -> None:
    weight, inputs = torch.randn(6, 8), torch.randn(20, 8).to(torch.bfloat16)
    assert relative_error(weight, weight, inputs) == 0
    assert relative_error(weight, torch.zeros(6, 8), inputs) == pytest.approx(1)
    assert relative_error(torch.zeros(6, 8), torch.zeros(6, 8), inputs) == 0


@pytest.mark.parametrize("training", [None, Distillation(tokens=24 * 3)], ids=["masks", "trained"])
@pytest.mark.parametrize("solving", [False, True], ids=["plain", "solved"])
def test_a_models_first_matrices_have_the_error_of_their_outputs(
    tmp_path: Path, training: Distillation | None, *, solving: bool
) -> None:
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", "llama")
    options = PruneOptions(least_squares=solving, distillation=training)
    with GGUFFile(model.path) as file:
        pruned = {matrix.name: matrix for matrix in prune_blocks(file, TOKENS, options)}
    weights = model.weights
    inputs = reference._rms_norm(weights["token_embd.weight"][TOKENS], weights["blk.0.attn_norm.weight"])
    for name in ("blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"):
        wanted, missed = (
            ((inputs @ each.T) ** 2).sum() for each in (weights[name], weights[name] - pruned[name].values)
        )
        assert pruned[name].error == pytest.approx(missed / wanted, rel=0.02), name
    assert all(0 < matrix.error < 1 for matrix in pruned.values())
