"""Solving surviving weights anew: the solution of the problem stated, and a smaller error on inputs not seen."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prune import least_squares as module
from prune.blocks import BlockLoader
from prune.driver import prune_blocks
from prune.gguf_file import GGUFFile
from prune.least_squares import InputGram, least_squares
from prune.masks import unstructured_mask
from prune.options import Distillation, PruneOptions
from prune.passing import MaskPass
from prune.patterns import NOfM
from tests.prune import reference
from tests.prune import tiny_models as tiny


def problem(seed: int, rows: int = 6, inputs: int = 12, tokens: int = 64) -> tuple[torch.Tensor, ...]:
    """A matrix, a mask of half of it, and inputs that go together, as activations do."""
    random = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, inputs, generator=random)
    mixing = torch.randn(inputs, inputs, generator=random)
    activations = torch.randn(tokens, inputs, generator=random) @ mixing
    return weight, unstructured_mask(torch.rand(rows, inputs, generator=random), inputs // 2), activations


def gram_of(activations: torch.Tensor) -> torch.Tensor:
    gram = InputGram()
    for part in activations.split(10):
        gram.add(part)
    return gram.result()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_it_is_the_solution_of_the_damped_problem_row_by_row(seed: int) -> None:
    weight, mask, activations = problem(seed)
    solved = least_squares(weight, mask, gram_of(activations), iterations=40).double()
    gram = activations.double().T @ activations.double()
    gram += module._DAMPING * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
    for row, kept, dense in zip(solved, mask, weight.double(), strict=True):
        expected = torch.linalg.solve(gram[kept][:, kept], (gram @ dense)[kept])
        torch.testing.assert_close(row[kept], expected, rtol=2e-2, atol=2e-3)
        assert (row[~kept] == 0).all()


@given(st.integers(0, 10_000))
def test_the_error_on_fresh_inputs_falls(seed: int) -> None:
    weight, mask, activations = problem(seed, tokens=400)
    seen, fresh = activations.split(200)
    solved = least_squares(weight, mask, gram_of(seen))
    before, after = (((weight - each) @ fresh.T).square().sum() for each in (weight * mask, solved))
    assert after < before


def test_inputs_that_were_never_active_keep_their_weights() -> None:
    weight, mask, _ = problem(0)
    assert torch.equal(least_squares(weight, mask, torch.zeros(12, 12)), weight * mask)


def test_a_mask_that_keeps_all_changes_nothing() -> None:
    weight, mask, activations = problem(1)
    assert torch.equal(least_squares(weight, torch.ones_like(mask), gram_of(activations)), weight)


def test_a_gram_matrix_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no activations"):
        InputGram().result()


@pytest.mark.parametrize("pattern", [None, NOfM(4, 8)], ids=str)
def test_in_a_model_the_first_matrices_do_better_on_fresh_text_and_zeros_stay(
    tmp_path: Path, pattern: NOfM | None
) -> None:
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", "llama")
    random = np.random.default_rng(3)
    tokens, fresh = (random.integers(0, tiny.VOCABULARY, (16, 24)).astype(np.int32) for _ in range(2))
    with GGUFFile(model.path) as file:
        plain, solved = (
            {m.name: m.values for m in prune_blocks(file, tokens, PruneOptions(pattern=pattern, least_squares=solving))}
            for solving in (False, True)
        )
    inputs = reference._rms_norm(model.weights["token_embd.weight"][fresh], model.weights["blk.0.attn_norm.weight"])
    for name in ("blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"):
        before, after = (((inputs @ (model.weights[name] - each[name]).T) ** 2).sum() for each in (plain, solved))
        assert after < before
        assert ((plain[name] == 0) == (solved[name] == 0)).all()
    for name, values in solved.items():
        assert np.isfinite(values).all()
        assert (values == 0).mean() == pytest.approx(0.5, abs=0.01), name
        if pattern is not None:
            assert ((values.reshape(len(values), -1, 8) != 0).sum(axis=2) == 4).all(), name


@pytest.mark.parametrize("training", [None, Distillation(tokens=24)], ids=["alone", "trained after"])
def test_the_matrix_that_ends_an_mlp_is_solved_where_training_follows(
    tmp_path: Path, training: Distillation | None
) -> None:
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", "llama")
    tokens = np.random.default_rng(3).integers(0, tiny.VOCABULARY, (16, 24)).astype(np.int32)
    options = PruneOptions(least_squares=True, distillation=training)
    solved = {}
    with GGUFFile(model.path) as file:
        loader = BlockLoader(file, sequence_length=24)
        for index, pruned in MaskPass(loader, tokens, options, lambda fraction: None).run():
            name = pruned.matrix.weight_name(index)
            dense = torch.from_numpy(model.weights[name])
            rows = loader.in_file_order(pruned.matrix, pruned.weight)
            solved[name] = not torch.allclose(torch.from_numpy(rows), dense * torch.from_numpy(rows != 0))
    ends = {name for name in solved if name.endswith("ffn_down.weight")}
    assert ends
    assert {name for name, is_solved in solved.items() if not is_solved} == (ends if training is None else set())
