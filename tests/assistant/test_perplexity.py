"""What a model finds of known tokens: of all, of the last ones, and among those that were possible."""

import math
from pathlib import Path

import numpy as np
import pytest

from assistant.perplexity import Continuation, continuation_losses, losses, perplexity
from tests.export.sparse.test_convert import model

TOKENS = np.random.default_rng(0).integers(0, 250, 150).astype(np.int32)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(tmp_path_factory.mktemp("model") / "model.gguf").path


def test_perplexity_is_of_the_mean_loss(path: Path) -> None:
    (loss,) = losses(path, [TOKENS], 1)
    assert len(loss) == len(TOKENS) - 1
    assert perplexity(path, TOKENS[None], 1) == pytest.approx(math.exp(loss.mean()))


@pytest.mark.parametrize("begin", [1, 63, 64, 65, 128, 149])
def test_the_last_tokens_are_found_as_they_are_among_all(path: Path, begin: int) -> None:
    (every,) = losses(path, [TOKENS], 1)
    (last,) = continuation_losses(path, [Continuation(TOKENS, begin)], 1)
    assert last == pytest.approx(every[begin - 1 :], abs=1e-5)


def test_a_token_among_few_is_found_more_easily(path: Path) -> None:
    token = int(TOKENS[100])
    few = np.array([3, token, 9] if token not in (3, 9) else [4, token, 10], np.int32)
    (plain,) = continuation_losses(path, [Continuation(TOKENS, 90)], 1)
    (among,) = continuation_losses(path, [Continuation(TOKENS, 90, {100: few, 110: np.array([TOKENS[110]])})], 1)
    assert among[10] < plain[10]
    assert among[20] == pytest.approx(0, abs=1e-6)
    rest = np.delete(np.arange(60), [10, 20])
    assert among[rest] == pytest.approx(plain[rest])
