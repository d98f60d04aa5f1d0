"""The pass through a model, against Wanda written straight from the paper."""

import gc
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from prune.driver import memory_needed, prunable_tensors, prune_blocks
from prune.errors import CheckpointError, UsageError
from prune.gguf_file import GGUFFile
from prune.options import PruneOptions
from prune.patterns import NOfM
from tests.prune import reference
from tests.prune import tiny_models as tiny

TOKENS = np.random.default_rng(7).integers(0, tiny.VOCABULARY, (5, 24)).astype(np.int32)


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3", "llama", "gemma"])
@pytest.mark.parametrize("sparsity", [0.3, 0.5])
def test_equals_the_paper_written_out(architecture: str, sparsity: float, tmp_path: Path) -> None:
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", architecture)
    with GGUFFile(model.path) as file:
        matrices = {matrix.name: matrix for matrix in prune_blocks(file, TOKENS, PruneOptions(sparsity))}
    pruned = {name: matrix.values for name, matrix in matrices.items()}
    expected, importance = reference.prune(model.weights, architecture, TOKENS, sparsity)
    assert pruned.keys() == expected.keys()
    for name, values in pruned.items():
        # The reference computes in double precision; scores closer than float rounding may fall either way.
        assert ((values == 0) != (expected[name] == 0)).mean() < 0.002, name
        kept = values != 0
        assert (values[kept] == model.weights[name][kept]).all(), f"{name}: a surviving weight was changed"
        # By block 1 a weight that fell the other way shows in its inputs.
        np.testing.assert_allclose(matrices[name].importance, importance[name], rtol=0.02, err_msg=name)


@pytest.mark.parametrize("quantisation", ["Q8_0", "Q4_0", "F16"])
def test_reads_quantised_bases(quantisation: str, tmp_path: Path) -> None:
    # Rows of 64 and 96 values: whole blocks of 32.
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", "qwen2", gguf.GGMLQuantizationType[quantisation])
    with GGUFFile(model.path) as file:
        pruned = {matrix.name: matrix.values for matrix in prune_blocks(file, TOKENS, PruneOptions())}
        assert list(pruned) == prunable_tensors(file)
    for name, values in pruned.items():
        kept = values != 0
        assert (values[kept] == model.weights[name][kept]).all()
        assert kept.mean() == pytest.approx(0.5, abs=0.01)


def test_the_same_inputs_give_the_same_masks(tmp_path: Path) -> None:
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", "qwen2")
    with GGUFFile(model.path) as file:
        first, second = (
            [matrix.values.tobytes() for matrix in prune_blocks(file, TOKENS, PruneOptions())] for _ in range(2)
        )
    assert first == second


def test_other_calibration_text_gives_other_masks(tmp_path: Path) -> None:
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", "qwen2")
    with GGUFFile(model.path) as file:
        first, second = (
            np.concatenate([matrix.values.ravel() == 0 for matrix in prune_blocks(file, tokens, PruneOptions())])
            for tokens in (TOKENS, TOKENS[::-1] // 4)
        )
    assert 0.01 < (first != second).mean() < 0.5


def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", "qwen2")
    seen: list[float] = []
    with GGUFFile(model.path) as file:
        for _ in prune_blocks(file, TOKENS, PruneOptions(), progress=seen.append):
            pass
    assert seen[0] == 0.0
    assert seen[-1] == 1.0
    assert seen == sorted(seen)


def test_the_callers_own_gradients_are_left_alone(tmp_path: Path) -> None:
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", "qwen2")
    with GGUFFile(model.path) as file:
        for _ in prune_blocks(file, TOKENS, PruneOptions()):
            assert torch.is_grad_enabled()
            assert not torch.is_inference_mode_enabled()


def test_memory_does_not_grow_with_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = []
    for blocks in (2, 8):
        monkeypatch.setattr(tiny, "BLOCKS", blocks)
        model = tiny.write_tiny_model(tmp_path / f"{blocks}.gguf", "qwen2")
        with GGUFFile(model.path) as file:
            needed.append(memory_needed(file, 32, 1024, PruneOptions()))
    assert needed[0] == needed[1] > 32 * 1024 * (tiny.HIDDEN + tiny.INTERMEDIATE) * 4


def test_blocks_that_are_done_are_not_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes of the tensors that are alive at the end of the last block, as the collector sees them."""
    alive = []
    for blocks in (2, 7):
        monkeypatch.setattr(tiny, "BLOCKS", blocks)
        model = tiny.write_tiny_model(tmp_path / f"{blocks}.gguf", "qwen2")
        before = _tensor_bytes()
        with GGUFFile(model.path) as file:
            for matrix in prune_blocks(file, TOKENS, PruneOptions(least_squares=True)):
                if matrix.name == f"blk.{blocks - 1}.ffn_down.weight":
                    alive.append(_tensor_bytes() - before)  # noqa: PERF401 (it is the state in the middle of the loop)
    block = 4 * (2 * tiny.HIDDEN * tiny.HEADS * tiny.HEAD_DIM + 3 * tiny.HIDDEN * tiny.INTERMEDIATE)
    assert alive[0] > block
    assert alive[1] - alive[0] < block // 4


def _tensor_bytes() -> int:
    there = [each for each in gc.get_objects() if type(each) in {torch.Tensor, torch.nn.Parameter}]
    return sum(
        {each.data_ptr(): each.untyped_storage().nbytes() for each in there if each.device.type == "cpu"}.values()
    )


def test_weights_that_are_not_finite_are_named(tmp_path: Path) -> None:
    damaged = np.full((tiny.HIDDEN, tiny.INTERMEDIATE), 0.1, dtype=np.float32)
    damaged[3, 5] = np.nan
    model = tiny.write_tiny_model(tmp_path / "t.gguf", "qwen2", replace={"blk.1.ffn_down.weight": damaged})
    with GGUFFile(model.path) as file, pytest.raises(CheckpointError, match=r"blk\.1\.ffn_down\.weight"):
        list(prune_blocks(file, TOKENS, PruneOptions()))


def test_inputs_that_are_not_finite_are_named(tmp_path: Path) -> None:
    endless = np.full(tiny.HIDDEN, np.inf, dtype=np.float32)
    model = tiny.write_tiny_model(tmp_path / "t.gguf", "qwen2", replace={"blk.1.ffn_norm.weight": endless})
    with GGUFFile(model.path) as file, pytest.raises(CheckpointError, match=r"blk\.1\.ffn_gate\.weight"):
        list(prune_blocks(file, TOKENS, PruneOptions(score="magnitude")))


def test_a_pattern_that_does_not_fit_names_the_matrix_before_weights_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny, "INTERMEDIATE", 72)
    model = tiny.write_tiny_model(tmp_path / "t.gguf", "qwen2")
    with GGUFFile(model.path) as file:
        with pytest.raises(UsageError, match=r"8:16 does not fit 'blk\.0\.ffn_down\.weight'.*72 inputs"):
            list(prune_blocks(file, TOKENS, PruneOptions(pattern=NOfM(8, 16))))
        assert len(list(prune_blocks(file, TOKENS, PruneOptions(pattern=NOfM(4, 8))))) == len(prunable_tensors(file))


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UsageError, match="leave the sparsity out"):
        PruneOptions(sparsity=0.3, pattern=NOfM(4, 8))


def test_an_unsupported_architecture_is_refused_with_those_that_are(tmp_path: Path) -> None:
    model = tiny.write_tiny_model(tmp_path / "t.gguf", "starcoder2")
    with GGUFFile(model.path) as file, pytest.raises(CheckpointError, match=r"starcoder2.*gemma, llama, qwen2, qwen3"):
        prunable_tensors(file)


def test_a_token_outside_the_vocabulary_is_refused(tmp_path: Path) -> None:
    model = tiny.write_tiny_model(tmp_path / "t.gguf", "qwen2")
    tokens = np.full((1, 8), tiny.VOCABULARY, dtype=np.int32)
    with GGUFFile(model.path) as file, pytest.raises(CheckpointError, match=f"Token {tiny.VOCABULARY}"):
        list(prune_blocks(file, tokens, PruneOptions()))


def test_no_calibration_text_is_refused(tmp_path: Path) -> None:
    model = tiny.write_tiny_model(tmp_path / "t.gguf", "qwen2")
    with GGUFFile(model.path) as file, pytest.raises(UsageError, match="no whole sequence"):
        list(prune_blocks(file, np.empty((0, 24), dtype=np.int32), PruneOptions()))


def test_a_matrix_of_the_wrong_shape_is_refused(tmp_path: Path) -> None:
    wrong = {"blk.0.attn_v.weight": np.zeros((7, tiny.HIDDEN), dtype=np.float32)}
    model = tiny.write_tiny_model(tmp_path / "t.gguf", "qwen2", replace=wrong)
    with GGUFFile(model.path) as file, pytest.raises(CheckpointError, match="v_proj"):
        list(prune_blocks(file, TOKENS, PruneOptions()))
