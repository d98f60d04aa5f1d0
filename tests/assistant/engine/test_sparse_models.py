"""Sparse GGUFs are loaded as the plain files that they stand for, without one on the disk."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.memory import read_shape
from assistant.engine.protocol import Prompt, Sampling, Segment
from assistant.engine.virtual_file import VirtualFile
from assistant.errors import EngineError
from assistant.perplexity import perplexity
from export.sparse.convert import dense_to_sparse
from export.sparse.reader import SparseFile
from prune.gguf_file import GGUFFile
from tests.export.sparse.test_convert import model

TOKENS = np.random.default_rng(0).integers(0, 250, (2, 64)).astype(np.int32)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A pruned model as a plain file, and as a sparse one."""
    folder = tmp_path_factory.mktemp("sparse")
    plain, sparse = model(folder / "plain.gguf").path, folder / "sparse.gguf"
    dense_to_sparse(plain, sparse)
    return plain, sparse


def written(path: Path) -> str:
    with closing(LlamaEngine(path, LlamaOptions(context=128))) as engine:
        return "".join(engine.generate(Prompt((Segment("def f"),)), Sampling(max_tokens=40)))


@pytest.fixture(params=[True, False], ids=["in place", "by a copy"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what the C library has here, and as on systems without it."""
    if not request.param:
        monkeypatch.setattr(VirtualFile, "is_supported", lambda: False)
    elif not VirtualFile.is_supported():
        pytest.skip("the C library has no fopencookie")


@pytest.mark.usefixtures("way")
def test_both_say_the_same_to_the_last_bit(files: tuple[Path, Path]) -> None:
    plain, sparse = files
    assert perplexity(sparse, TOKENS, 1) == perplexity(plain, TOKENS, 1)
    assert written(sparse) == written(plain)


@pytest.mark.usefixtures("way")
def test_a_damaged_one_is_refused_with_the_tensor_s_name(files: tuple[Path, Path], tmp_path: Path) -> None:
    with SparseFile(files[1]) as sparse:
        name, tensor = list(sparse.tensors.items())[-1]
        place = sparse.file.tensor(tensor.packed_name).offset
    damaged = bytearray(files[1].read_bytes())
    damaged[place] ^= 0x40
    (tmp_path / "damaged.gguf").write_bytes(damaged)
    with pytest.raises(EngineError, match=f"{name}.*fetch or build"):
        LlamaEngine(tmp_path / "damaged.gguf", LlamaOptions(context=128))


def test_its_memory_is_the_plain_file_s(files: tuple[Path, Path]) -> None:
    plain, sparse = files
    with GGUFFile(plain) as file:
        assert read_shape(sparse).weight_bytes == sum(tensor.size for tensor in file.tensors.values())
    assert read_shape(sparse).memory(128) - read_shape(sparse).weight_bytes == (
        read_shape(plain).memory(128) - plain.stat().st_size
    )
    assert sparse.stat().st_size < plain.stat().st_size
