"""A run that is killed goes on from its last checkpoint, and gives what it would have given."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from prune.driver import output_importance, prune_blocks
from prune.gguf_file import GGUFFile
from prune.options import Distillation, PruneOptions
from prune.patterns import NOfM
from prune.weights import read_tensor
from tests.prune import reference
from tests.prune import tiny_models as tiny

TOKENS = np.random.default_rng(7).integers(0, tiny.VOCABULARY, (5, 24)).astype(np.int32)
PLAIN = PruneOptions()
SOLVED = PruneOptions(pattern=NOfM(4, 8), score="ria", least_squares=True)
TRAINED = PruneOptions(least_squares=True, distillation=Distillation(tokens=24 * 20))
MATRICES = 7


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    return tiny.write_tiny_model(path, "qwen2", gguf.GGMLQuantizationType.Q8_0).path


def run(
    model: Path, options: PruneOptions, checkpoints: Path | None = None, until: float = 2.0, tokens: np.ndarray = TOKENS
) -> tuple[dict[str, bytes], float]:
    """What a run gives, and the fraction of the work it began at; `until` is the fraction at which it is killed."""
    seen: list[float] = []

    def advanced(fraction: float) -> None:
        seen.append(fraction)
        if fraction >= until:
            raise KilledError

    with GGUFFile(model) as file:
        pruned = prune_blocks(file, tokens, options, advanced, checkpoints)
        return {matrix.name: matrix.values.tobytes() + matrix.importance.tobytes() for matrix in pruned}, seen[0]


@pytest.mark.parametrize("options", [PLAIN, SOLVED], ids=["plain", "solved"])
@pytest.mark.parametrize("blocks", range(tiny.BLOCKS + 1))
def test_killed_after_any_block_it_goes_on_there(
    model: Path, tmp_path: Path, options: PruneOptions, blocks: int
) -> None:
    whole, _ = run(model, options)
    with GGUFFile(model) as file:
        pruned = prune_blocks(file, TOKENS, options, checkpoints=tmp_path)
        for _ in range(blocks * MATRICES + 1):  # the first matrix of a block comes when the last one is kept
            next(pruned, None)
        pruned.close()
    again, begun = run(model, options, tmp_path)
    assert again == whole
    assert begun == pytest.approx(blocks / tiny.BLOCKS)


@pytest.mark.parametrize("until", np.linspace(0.02, 1.0, 14))
def test_killed_while_training_it_goes_on_from_the_last_checkpoint(model: Path, tmp_path: Path, until: float) -> None:
    whole, _ = run(model, TRAINED)
    with pytest.raises(KilledError):
        run(model, TRAINED, tmp_path, until)
    again, _ = run(model, TRAINED, tmp_path)
    assert again == whole


@pytest.mark.parametrize("options", [PLAIN, TRAINED], ids=["plain", "trained"])
def test_the_inputs_of_the_output_matrix_are_told_at_the_end_alone(
    model: Path, tmp_path: Path, options: PruneOptions
) -> None:
    with GGUFFile(model) as file:
        with pytest.raises(ValueError, match="the end of such a run"):
            output_importance(file, TOKENS, options, tmp_path)
        matrices = prune_blocks(file, TOKENS, options, checkpoints=tmp_path)
        pruned = {matrix.name: matrix.values for matrix in matrices}
        found = output_importance(file, TOKENS, options, tmp_path)
        with pytest.raises(ValueError, match="the end of such a run"):
            output_importance(file, TOKENS[:2], options, tmp_path)
        dense = {name: read_tensor(file, name) for name in file.tensors}
    # Where survivors are trained the pass goes on through the dense matrices.
    weights = dense if options is TRAINED else {**dense, **pruned}
    expected = reference.output_inputs(weights, "qwen2", TOKENS)
    np.testing.assert_allclose(found, (expected**2).mean(axis=(0, 1)), rtol=1e-3)


def test_training_is_not_begun_again(model: Path, tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        run(model, TRAINED, tmp_path, 0.95)
    fractions: list[float] = []
    with GGUFFile(model) as file:
        for _ in prune_blocks(file, TOKENS, TRAINED, fractions.append, tmp_path):
            pass
    assert sum(fraction < 0.8 for fraction in fractions) <= 3  # the pass that is done, and nothing of the training


@pytest.mark.parametrize("other", ["tokens", "options"])
def test_a_checkpoint_of_something_else_is_not_taken_up(model: Path, tmp_path: Path, other: str) -> None:
    run(model, PLAIN, tmp_path)
    tokens = TOKENS[:, ::-1] if other == "tokens" else TOKENS
    options = PruneOptions(sparsity=0.3) if other == "options" else PLAIN
    expected, _ = run(model, options, tokens=tokens)
    again, begun = run(model, options, tmp_path, tokens=tokens)
    assert again == expected
    assert begun == 0


@pytest.mark.parametrize("kept", [0, 7, 200])
def test_a_checkpoint_cut_short_is_not_taken_up(model: Path, tmp_path: Path, kept: int) -> None:
    whole, _ = run(model, PLAIN)
    run(model, PLAIN, tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:kept])
    again, begun = run(model, PLAIN, tmp_path)
    assert again == whole
    assert begun == 0
