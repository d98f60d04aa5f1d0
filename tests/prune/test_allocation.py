"""Sparsities of blocks: the mean asked for, and more zeros where fewer outliers are."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prune.allocation import outlier_shares, owl_sparsities
from prune.blocks import BlockLoader
from prune.driver import prune_blocks
from prune.errors import UsageError
from prune.gguf_file import GGUFFile
from prune.options import PruneOptions
from prune.patterns import NOfM
from tests.prune import tiny_models as tiny

TOKENS = np.random.default_rng(7).integers(0, tiny.VOCABULARY, (5, 24)).astype(np.int32)


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=40), st.floats(0.02, 0.98))
def test_the_mean_is_what_was_asked_for_and_more_outliers_mean_fewer_zeros(
    shares: list[float], sparsity: float
) -> None:
    found = np.array(owl_sparsities(shares, sparsity))
    assert found.mean() == pytest.approx(sparsity)
    assert (found > 0).all()
    assert (found < 1).all()
    assert found.max() - found.min() <= 0.16 + 1e-9
    assert (np.diff(found[np.argsort(shares)]) <= 1e-9).all()


def test_it_is_the_papers_range_at_usual_sparsities() -> None:
    assert owl_sparsities([0.01, 0.02, 0.03], 0.6) == pytest.approx([0.68, 0.6, 0.52])


def test_outliers_are_counted_in_what_the_dense_model_computes(tmp_path: Path) -> None:
    """The first block's first matrices read normed embeddings, which are known without the program."""
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", "qwen2")
    spiky = model.weights["blk.1.ffn_up.weight"].copy()
    spiky[:, :4] *= 100
    uneven = tiny.write_tiny_model(tmp_path / "uneven.gguf", "qwen2", replace={"blk.1.ffn_up.weight": spiky})
    with GGUFFile(uneven.path) as file:
        shares = outlier_shares(BlockLoader(file, TOKENS.shape[1]), TOKENS, "wanda")
    assert max(shares) == shares[1] > 2 * max(shares[0], shares[2])
    assert all(0 <= share < 0.2 for share in shares)  # Markov: at most a fifth is above five times the mean


def test_a_model_is_pruned_so_and_as_a_whole_to_the_sparsity_asked_for(tmp_path: Path) -> None:
    spiky = np.random.default_rng(1).standard_normal((tiny.INTERMEDIATE, tiny.HIDDEN)).astype(np.float32)
    spiky[:, :4] *= 100
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", "qwen2", replace={"blk.1.ffn_up.weight": spiky})
    with GGUFFile(model.path) as file:
        pruned = list(prune_blocks(file, TOKENS, PruneOptions(sparsity=0.6, allocation="owl")))
        again = list(prune_blocks(file, TOKENS, PruneOptions(sparsity=0.6, allocation="owl")))
    zeros = [
        np.mean(np.concatenate([each.values.ravel() == 0 for each in pruned if each.name.startswith(f"blk.{block}.")]))
        for block in range(tiny.BLOCKS)
    ]
    assert zeros[1] == min(zeros) < max(zeros) - 0.1
    assert np.mean(zeros) == pytest.approx(0.6, abs=0.02)  # rows of 64 lose whole weights
    assert [each.values.tobytes() for each in pruned] == [each.values.tobytes() for each in again]


def test_groups_leave_nothing_to_allocate() -> None:
    with pytest.raises(UsageError, match="leave the allocation out"):
        PruneOptions(pattern=NOfM(4, 8), allocation="owl")
