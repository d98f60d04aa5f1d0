"""What is offloaded to GPUs: how many layers they have room for, and the same model there in each form."""

import logging
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.engine.batch import Batch, Placed
from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.loading import load_model
from assistant.engine.memory import WORKING_BYTES, ModelShape, read_shape
from assistant.engine.native import llama_cpp
from assistant.engine.offload import ALL_LAYERS, Device, gpus, layers_that_fit, offloaded_bytes
from assistant.engine.protocol import Prompt, Sampling, Segment
from assistant.errors import EngineError
from export.sparse.convert import dense_to_sparse
from export.sparse.reader import SparseFile
from tests.export.sparse.test_convert import model

GIB = 1 << 30
TOKENS = [3 + 7 * at % 240 for at in range(48)]
SHAPE = ModelShape("qwen2", 5 * GIB, 28 * 1024, layers=28, block_bytes=4 * GIB, output_bytes=GIB // 2)


def device(free: int, *, integrated: bool = False) -> Device:
    return Device("GPU0", "a GPU", free, max(free, GIB), integrated)


@given(free=st.integers(0, 8 * GIB), context=st.integers(256, 32768))
def test_no_more_is_offloaded_than_there_is_room_for_and_no_less(free: int, context: int) -> None:
    def taken(layers: int) -> float:
        blocks = (SHAPE.block_bytes + SHAPE.kv_bytes_per_token * 2 * context) / SHAPE.layers * (layers - 1)
        return SHAPE.output_bytes + blocks + WORKING_BYTES + (256 << 20)

    layers = layers_that_fit(SHAPE, context, [device(free)])
    whole = SHAPE.layers + 1
    chosen = whole if layers == ALL_LAYERS else layers
    assert chosen == 0 or taken(chosen) <= free
    assert chosen == whole or taken(chosen + 1) > free


def test_without_a_gpu_nothing_is_offloaded_and_of_unknown_room_all() -> None:
    assert layers_that_fit(SHAPE, 4096, []) == 0
    unknown = Device("RPC0", "elsewhere", 0, 0, integrated=False)
    assert layers_that_fit(SHAPE, 4096, [unknown]) == ALL_LAYERS


def test_what_a_gpu_has_need_not_be_in_the_machines_memory() -> None:
    per_layer = (SHAPE.block_bytes + SHAPE.kv_bytes_per_token * 2 * 4096) / SHAPE.layers
    for layers, blocks in ((0, 0), (1, 0), (11, 10), (29, 28), (99, 28), (ALL_LAYERS, 28)):
        assert offloaded_bytes(SHAPE, 4096, layers, [device(GIB)]) == int(blocks * per_layer)
        assert offloaded_bytes(SHAPE, 4096, layers, [device(GIB, integrated=True)]) == 0
        assert offloaded_bytes(SHAPE, 4096, layers, []) == 0


@pytest.fixture
def devices() -> list[Device]:
    """The GPUs here. A software device will do: docs/models.md says how one is had."""
    found = gpus()
    if not found:
        pytest.skip("llama.cpp was built for the CPU alone, or finds no GPU")
    return found


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A pruned model as a plain file, and as a sparse one, of which no copy can be made on the disk."""
    plain, sparse = model(tmp_path / "plain.gguf").path, tmp_path / "sparse.gguf"
    dense_to_sparse(plain, sparse)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    return plain, sparse


def logits_of(path: Path, layers: int) -> Any:
    """Of all tokens of a fixed sequence, shape (tokens, vocabulary)."""
    parameters = llama_cpp.llama_model_default_params()
    parameters.n_gpu_layers = layers
    handle = load_model(path, read_shape(path), parameters)
    wanted = llama_cpp.llama_context_default_params()
    wanted.n_ctx = wanted.n_batch = wanted.n_ubatch = len(TOKENS)
    context = llama_cpp.llama_init_from_model(handle, wanted)
    batch = Batch(len(TOKENS))
    try:
        batch.fill(Placed(token, at, 0, logits=True) for at, token in enumerate(TOKENS))
        assert llama_cpp.llama_decode(context, batch.native) == 0
        vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(handle))
        found = np.ctypeslib.as_array(llama_cpp.llama_get_logits(context), shape=(len(TOKENS), vocabulary))
        return found.copy()
    finally:
        batch.close()
        llama_cpp.llama_free(context)
        llama_cpp.llama_model_free(handle)


@pytest.mark.parametrize("layers", [1, 2, ALL_LAYERS])
def test_on_a_gpu_the_sparse_file_is_the_plain_one_to_the_last_bit(
    devices: list[Device], files: tuple[Path, Path], layers: int, caplog: pytest.LogCaptureFixture
) -> None:
    plain, sparse = files
    with caplog.at_level(logging.DEBUG, logger="sned.llama"):
        there = logits_of(sparse, layers)
    assert f"{devices[0].name} model buffer size" in caplog.text
    assert "SNED_SPARSE model buffer" not in caplog.text
    assert np.isfinite(there).all()
    assert np.array_equal(there, logits_of(plain, layers))
    here = logits_of(sparse, 0)
    assert np.abs(there - here).max() < 0.05 * np.abs(here).max()  # other sums, the same weights


def test_what_a_gpu_holds_is_not_packed_for_the_cpu(devices: list[Device], files: tuple[Path, Path]) -> None:
    whole = read_shape(files[1]).layers + 1
    texts = {}
    for layers, there in ((1, 1), (99, whole), ("auto", whole)):
        for path in files:
            options = LlamaOptions(context=128, gpu_layers=layers, sparse_backend="on")  # type: ignore[arg-type]
            with closing(LlamaEngine(path, options)) as engine:
                assert engine.info.backend == f"dense, {there} of {whole} layers on {devices[0].name}"
                written = engine.generate(Prompt((Segment("def f"),)), Sampling(max_tokens=20))
                texts[path, layers] = "".join(written)
        assert texts[files[0], layers] == texts[files[1], layers]


@pytest.mark.usefixtures("devices")
def test_a_damaged_sparse_file_is_refused_on_a_gpu_too(files: tuple[Path, Path], tmp_path: Path) -> None:
    with SparseFile(files[1]) as sparse:
        places = {name: sparse.file.tensor(each.packed_name).offset for name, each in sparse.tensors.items()}
    for name, place in [*places.items()] * 2:  # uploads that went on in the background ended one such process in a few
        damaged = bytearray(files[1].read_bytes())
        damaged[place] ^= 0x40
        (tmp_path / "damaged.gguf").write_bytes(damaged)
        with pytest.raises(EngineError, match=f"{name}.*fetch or build"):
            LlamaEngine(tmp_path / "damaged.gguf", LlamaOptions(context=128, gpu_layers=99))
