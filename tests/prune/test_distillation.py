"""Training what survives: nearer to the dense model on text it has not seen, zeros where they were."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from prune import distillation
from prune.blocks import BlockLoader
from prune.distillation import Output, Student, _sequences_of, hidden_distance, rate_at
from prune.driver import memory_needed, prunable_tensors, prune_blocks
from prune.gguf_file import GGUFFile
from prune.options import Distillation, PruneOptions
from prune.patterns import NOfM
from tests.prune import reference
from tests.prune import tiny_models as tiny

LENGTH = 32
RANDOM = np.random.default_rng(11)
TOKENS, FRESH = (RANDOM.integers(0, tiny.VOCABULARY, (count, LENGTH)).astype(np.int32) for count in (24, 8))


def pruned_by(file: GGUFFile, options: PruneOptions) -> dict[str, np.ndarray]:
    return {matrix.name: matrix.values for matrix in prune_blocks(file, TOKENS, options)}


def apart(file: GGUFFile, pruned: dict[str, np.ndarray]) -> tuple[float, float]:
    """How far a pruned model is from the dense one on text that neither pass has seen.

    That is the mean divergence of its predictions in nats, and the distance of its hidden states, all blocks' mean.
    """
    loaders = BlockLoader(file, LENGTH), BlockLoader(file, LENGTH)
    output = Output(loaders[0], np.arange(tiny.VOCABULARY, dtype=np.int32))
    order = {name: torch.from_numpy(values) for name, values in pruned.items()}
    hidden = wanted = loaders[0].embed(FRESH)
    distances = []
    with torch.no_grad():
        sparse = Student(loaders[0], lambda index, matrix, weight: order[matrix.weight_name(index)])
        dense = Student(loaders[1], lambda index, matrix, weight: weight)
        for mine, theirs in zip(sparse.blocks, dense.blocks, strict=True):
            hidden, wanted = mine.dense(hidden), theirs.dense(wanted)
            distances.append(float(hidden_distance(hidden, wanted)))
        found, likely = (output.logits(states).log_softmax(-1) for states in (hidden, wanted))
    return float((likely.exp() * (likely - found)).sum(-1).mean()), float(np.mean(distances))


@pytest.mark.parametrize("pattern", [None, NOfM(4, 8)], ids=str)
def test_it_brings_the_model_nearer_on_fresh_text_and_keeps_zeros(tmp_path: Path, pattern: NOfM | None) -> None:
    path = tiny.write_tiny_model(tmp_path / "tiny.gguf", "qwen2").path
    training = Distillation(tokens=LENGTH * 200, rate=1e-3)
    with GGUFFile(path) as file:
        plain = pruned_by(file, PruneOptions(pattern=pattern))
        trained = pruned_by(file, PruneOptions(pattern=pattern, distillation=training))
        for after, before in zip(apart(file, trained), apart(file, plain), strict=True):
            assert after < 0.85 * before
    for name, values in trained.items():
        assert np.isfinite(values).all()
        assert (values == 0).mean() == pytest.approx(0.5, abs=0.01), name
        if pattern is not None:
            assert ((values.reshape(len(values), -1, 8) != 0).sum(axis=2) == 4).all(), name


def test_importance_is_that_of_the_inputs_in_the_dense_model(tmp_path: Path) -> None:
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", "qwen2")
    with GGUFFile(model.path) as file:
        options = PruneOptions(distillation=Distillation(tokens=LENGTH))
        found = {matrix.name: matrix.importance for matrix in prune_blocks(file, TOKENS, options)}
    _, expected = reference.prune(model.weights, "qwen2", TOKENS, sparsity=0.0)
    assert found.keys() == expected.keys()
    for name, importance in found.items():
        np.testing.assert_allclose(importance, expected[name], rtol=1e-3, err_msg=name)


def test_rows_are_in_the_order_of_the_file(tmp_path: Path) -> None:
    """A rate of nothing changes nothing, so that what comes back can be told from the base's own weights."""
    model = tiny.write_tiny_model(tmp_path / "tiny.gguf", "llama")
    with GGUFFile(model.path) as file:
        pruned = pruned_by(file, PruneOptions(distillation=Distillation(tokens=LENGTH, rate=0.0)))
    for name, values in pruned.items():
        kept = values != 0
        assert (values[kept] == model.weights[name][kept]).all(), name


def test_the_same_inputs_give_the_same_weights(tmp_path: Path) -> None:
    path = tiny.write_tiny_model(tmp_path / "tiny.gguf", "qwen3").path
    options = PruneOptions(distillation=Distillation(tokens=LENGTH * 8))
    with GGUFFile(path) as file:
        first, second = (
            {name: values.tobytes() for name, values in pruned_by(file, options).items()} for _ in range(2)
        )
    assert first == second


@given(
    hidden=arrays(np.float32, (2, 3, 5), elements=st.floats(-1e3, 1e3, width=32)),
    wanted=arrays(np.float32, (2, 3, 5), elements=st.floats(2**-6, 1e3, width=32)),
)
def test_hidden_states_are_as_far_apart_as_their_difference_is_long(hidden: np.ndarray, wanted: np.ndarray) -> None:
    lengths = np.linalg.norm(wanted.astype(float), axis=-1)
    expected = (np.linalg.norm(hidden - wanted.astype(float), axis=-1) / lengths) ** 2
    found = float(hidden_distance(torch.from_numpy(hidden), torch.from_numpy(wanted)))
    assert found == pytest.approx(expected.mean(), rel=1e-4, abs=1e-9)


def test_a_state_of_nothing_is_no_infinite_distance() -> None:
    assert torch.isfinite(hidden_distance(torch.ones(1, 1, 4), torch.zeros(1, 1, 4)))


@given(tokens=st.integers(1, 1 << 20), length=st.integers(16, 2048))
def test_steps_take_several_sequences_where_there_are_steps_enough(tokens: int, length: int) -> None:
    batch = Distillation(tokens).batch(length)
    assert 1 <= batch <= 4
    if batch > 1:
        assert tokens // (length * batch) >= 64


def test_every_sequence_is_learnt_from_once_before_any_is_again() -> None:
    taken = np.concatenate([_sequences_of(step, 4, 6) for step in range(6)])
    assert [sorted(epoch) for epoch in taken.reshape(4, 6).tolist()] == [list(range(6))] * 4
    assert len({tuple(epoch) for epoch in taken.reshape(4, 6).tolist()}) > 1


def test_the_rate_rises_and_falls_to_nothing() -> None:
    rates = [rate_at(step, 40, 1.0) for step in range(1, 41)]
    assert max(rates) > 0.9
    assert rates[0] < 0.3
    assert rates[-1] < 0.01
    assert rates[5:] == sorted(rates[5:], reverse=True)


def test_memory_counts_the_whole_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed, weights = [], []
    for blocks in (2, 8):
        monkeypatch.setattr(tiny, "BLOCKS", blocks)
        path = tiny.write_tiny_model(tmp_path / f"{blocks}.gguf", "qwen2").path
        with GGUFFile(path) as file:
            needed.append(memory_needed(file, 1, 32, PruneOptions(distillation=Distillation(tokens=64))))
            weights.append(sum(math.prod(file.tensor(name).shape) for name in prunable_tensors(file)))
    assert needed[1] - needed[0] > 10 * (weights[1] - weights[0])


def test_common_tokens_are_learnt_from_though_no_text_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distillation, "_COMMON_TOKENS", 12)
    path = tiny.write_tiny_model(tmp_path / "tiny.gguf", "qwen2").path
    with GGUFFile(path) as file:
        output = Output(BlockLoader(file, sequence_length=LENGTH), np.array([[3, 3, 20]], dtype=np.int32))
        width = file.tensor("token_embd.weight").shape[1]
    assert output.logits(torch.zeros(2, width)).shape == (2, 13)
