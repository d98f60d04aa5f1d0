"""Pruned models computed with in packed form say what they say dense."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf
import numpy as np
import pytest
from gguf.constants import GGMLQuantizationType

from assistant.cli.options import without_sparse_backend
from assistant.engine import llama, memory, sparse_backend
from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.loading import load_model
from assistant.engine.memory import ModelShape, read_shape
from assistant.engine.native import llama_cpp
from assistant.engine.packable import packable_matrices
from assistant.engine.protocol import Prompt, Sampling, Segment
from assistant.engine.sparse_backend import (
    LIBRARY,
    SparseBackend,
    available,
    is_faster,
    patterns_of,
    place,
)
from assistant.errors import EngineError
from assistant.settings import load_settings
from export.sparse.choice import SparseOptions
from export.sparse.convert import dense_to_sparse
from export.sparse.dense_view import DenseView
from export.sparse.layout import Pattern
from export.sparse.reader import SparseFile
from prune.gguf_file import GGUFFile, TensorInfo
from tests.native.kernels import aligned, load, numbers, pointer
from tests.prune.tiny_models import BLOCKS, write_tiny_model

PROMPTS = ("def f(x):\n", "import os", "for i in")
built = pytest.mark.skipif(not LIBRARY.is_file(), reason="the native libraries are not built")


def pruned(path: Path, quantisation: GGMLQuantizationType, *, grouped: bool = False, tied: bool = False) -> Path:
    """A model whose matrices have half of their weights, one of them all; `grouped`: of each eight, four."""
    random = np.random.default_rng(1)
    weights = write_tiny_model(path, "qwen2").weights
    replaced = {}
    for name, values in weights.items():
        if values.ndim == 2 and name.startswith("blk.") and name != "blk.1.attn_k.weight":
            groups = random.random((values.shape[0], values.shape[1] // 8, 8))
            zeros = groups.argsort(axis=2).argsort(axis=2) >= 4 if grouped else groups < 0.5
            replaced[name] = np.where(zeros.reshape(values.shape), 0, values).astype(np.float32)
    if not tied:
        replaced["output.weight"] = random.standard_normal(weights["token_embd.weight"].shape).astype(np.float32) / 8
    write_tiny_model(path, "qwen2", quantisation, replace=replaced)
    return path


@pytest.fixture(scope="module", params=[GGMLQuantizationType.Q8_0, GGMLQuantizationType.Q4_0], ids=str)
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A pruned model as a plain file, and as a sparse one."""
    folder = tmp_path_factory.mktemp(request.param.name)
    plain, sparse = pruned(folder / "plain.gguf", request.param), folder / "sparse.gguf"
    dense_to_sparse(plain, sparse)
    return plain, sparse


def written(path: Path, mode: SparseBackend) -> tuple[str, list[str]]:
    with closing(LlamaEngine(path, LlamaOptions(context=256, sparse_backend=mode))) as engine:
        texts = ["".join(engine.generate(Prompt((Segment(each),)), Sampling(max_tokens=40))) for each in PROMPTS]
        return engine.info.backend, texts


def logits(path: Path, mode: SparseBackend, batch: int) -> np.ndarray:
    """After 48 tokens, evaluated in batches of so many; shape (vocabulary,)."""
    tokens = np.random.default_rng(5).integers(0, 250, 48).tolist()
    parameters = llama_cpp.llama_model_default_params()
    placement = place(path, mode, parameters)
    assert (placement.backend != "dense") == (mode == "on")
    model = load_model(path, read_shape(path), parameters, placement.matrices)
    options = llama_cpp.llama_context_default_params()
    options.n_ctx, options.n_threads, options.n_threads_batch = 256, 2, 2
    context = llama_cpp.llama_init_from_model(model, options)
    try:
        for first in range(0, len(tokens), batch):
            part = tokens[first : first + batch]
            array = (llama_cpp.llama_token * len(part))(*part)
            assert llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(array, len(part))) == 0
        size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
        return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, -1), shape=(size,)).copy()
    finally:
        llama_cpp.llama_free(context)
        llama_cpp.llama_model_free(model)


def test_matrices_with_zeros_are_found(files: tuple[Path, Path], tmp_path: Path) -> None:
    names = pruned_names(files[0])
    assert len(names) == 7 * BLOCKS - 1
    assert not {"blk.1.attn_k.weight", "token_embd.weight"} & names
    with_output = "output.weight" in {each.name for each in packable_matrices(files[0])}
    assert with_output == ("Q8_0" in files[0].parent.name)
    assert packable_matrices(write_tiny_model(tmp_path / "dense.gguf", "qwen2").path) == []


@built
@pytest.mark.parametrize("pattern", ["unstructured", "4:8"])
def test_what_matrices_will_take_is_known_beforehand(files: tuple[Path, Path], tmp_path: Path, pattern: str) -> None:
    plain, sparse = files
    if pattern == "4:8":
        kind = GGMLQuantizationType.Q8_0 if "Q8_0" in plain.parent.name else GGMLQuantizationType.Q4_0
        plain, sparse = pruned(tmp_path / "plain.gguf", kind, grouped=True), tmp_path / "sparse.gguf"
        dense_to_sparse(plain, sparse, SparseOptions(Pattern.parse(pattern)))
    library = load()
    for path in (plain, sparse):
        matrices = packable_matrices(path)
        # A matrix that is not of the pattern says so, and the output has no zeros.
        assert {each.grouped for each in matrices if each.zeros} == {pattern == "4:8"}
        with GGUFFile(plain) as file:
            for each in matrices:
                tensor = file.tensors[each.name]
                data = np.frombuffer(file.read(tensor), dtype=np.uint8)
                assert each.dense_bytes == data.size
                out = aligned(library.sned_pack_bound(*numbers(each.bits, *each.shape)))
                kernel, shape = library.sned_best_kernel(), numbers(*each.shape)
                used = library.sned_pack_dense(kernel, *numbers(each.bits), pointer(data), *shape, pointer(out))
                own = 3 if kernel == 2 and each.bits == 4 else 1  # AVX-512's, of 4-bit values
                assert out[:40].view(np.int64)[4] == (each.layout if kernel < 2 or not each.grouped else own)
                assert used == pytest.approx(each.packed_bytes + 200, rel=0.25)  # tiny ones are less regular


@built
def test_memory_is_checked_for_what_is_packed(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path, context = files[1], 256
    dense = read_shape(path).memory(context)
    saved = place(path, "on", llama_cpp.llama_model_default_params()).saved_bytes
    assert 0 < saved < read_shape(path).weight_bytes
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=dense - saved // 2))
    assert written(path, "on")[0] != "dense"
    with pytest.raises(EngineError, match="of memory"):
        written(path, "off")


@built
@pytest.mark.parametrize("batch", [1, 48])
def test_embeddings_that_are_the_output_are_packed_once(tmp_path: Path, batch: int) -> None:
    path = pruned(tmp_path / "tied.gguf", GGMLQuantizationType.Q8_0, tied=True)
    assert "token_embd.weight" in place(path, "on", llama_cpp.llama_model_default_params()).matrices
    np.testing.assert_array_equal(logits(path, "on", batch), logits(path, "off", batch))


def test_patterns_match_these_matrices_alone() -> None:
    patterns = patterns_of(["blk.0.attn_q.weight", "blk.12.attn_q.weight", "output.weight"])
    assert patterns == [r"^output\.weight$", r"^blk\.(0|12)\.attn_q\.weight$"]


@built
@pytest.mark.parametrize("kind", [0, 1], ids=["plain", "sparse file"])
@pytest.mark.parametrize("batch", [1, 3, 48])
def test_logits_are_the_dense_ones_bit_for_bit(files: tuple[Path, Path], kind: int, batch: int) -> None:
    np.testing.assert_array_equal(logits(files[kind], "on", batch), logits(files[kind], "off", batch))


@built
@pytest.mark.parametrize("kind", [GGMLQuantizationType.Q8_0, GGMLQuantizationType.Q4_0], ids=str)
@pytest.mark.parametrize("batch", [1, 48])
def test_those_of_4_8_too(tmp_path: Path, kind: GGMLQuantizationType, batch: int) -> None:
    path = pruned(tmp_path / "grouped.gguf", kind, grouped=True)
    np.testing.assert_array_equal(logits(path, "on", batch), logits(path, "off", batch))


@built
def test_greedy_text_is_the_same(files: tuple[Path, Path]) -> None:
    backend, texts = written(files[0], "on")
    assert backend == f"sparse ({available().kernel})"
    assert ("dense", texts) == written(files[0], "off")


def pruned_names(path: Path) -> set[str]:
    return {each.name for each in packable_matrices(path) if each.zeros}


@built
@pytest.mark.skipif(not available().fast, reason="auto leaves this processor's kernel alone")
def test_it_is_used_unless_it_is_turned_off(tmp_path: Path) -> None:
    model = pruned(tmp_path / "model.gguf", GGMLQuantizationType.Q8_0, grouped=True)
    assert any(is_faster(each) for each in packable_matrices(model) if each.grouped)
    source = tmp_path / "a.py"
    source.write_text("def f(x):\n    ")
    command = [Path(sys.executable).with_name("sned"), "complete", f"{source}:2:5", "--model", model, "--json"]
    environment = {name: value for name, value in os.environ.items() if name != "SNED_SPARSE_BACKEND"}
    answers = [
        json.loads(subprocess.run([*command, *extra], check=True, capture_output=True, env=environment).stdout)
        for extra in ([], ["--no-sparse-backend"])
    ]
    assert [each["backend"] for each in answers] == [f"sparse ({available().kernel})", "dense"]
    assert answers[0]["text"] == answers[1]["text"]


@built
def test_unasked_it_takes_what_it_is_faster_with(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {"output.weight", *sorted(pruned_names(files[0]))[:3]}
    monkeypatch.setattr(sparse_backend, "is_faster", lambda matrix: matrix.name in wanted)
    packed = place(files[0], "auto", llama_cpp.llama_model_default_params()).matrices
    assert set(packed) == wanted & {each.name for each in packable_matrices(files[0])}
    # The output by itself is nothing to begin with.
    monkeypatch.setattr(sparse_backend, "is_faster", lambda matrix: matrix.name == "output.weight")
    assert place(files[0], "auto", llama_cpp.llama_model_default_params()).backend == "dense"
    assert len(place(files[0], "on", llama_cpp.llama_model_default_params()).matrices) > len(packed)


def test_turned_off_it_is_off_for_what_is_started_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNED_SPARSE_BACKEND", "on")
    without_sparse_backend()
    assert load_settings().sparse_backend == "off"


@built
def test_dense_models_and_gpus_are_left_alone(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = llama_cpp.llama_model_default_params()
    dense = write_tiny_model(tmp_path / "dense.gguf", "qwen2", gguf.GGMLQuantizationType.Q8_0).path
    assert place(dense, "on", parameters).backend == "dense"
    monkeypatch.setattr(llama_cpp, "llama_supports_gpu_offload", lambda: True)
    for layers in (99, -1):  # -1 is all of them
        parameters.n_gpu_layers = layers
        assert place(files[0], "on", parameters).backend == "dense"
    assert not parameters.tensor_buft_overrides


@built
def test_matrices_come_to_it_only_if_they_are_named(
    files: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert available().kernel
    with caplog.at_level(logging.DEBUG, logger="sned.llama"):
        dense = write_tiny_model(tmp_path / "dense.gguf", "qwen2", gguf.GGMLQuantizationType.Q8_0).path
        assert written(dense, "on")[0] == "dense"
        assert "model buffer size" in caplog.text
        assert "SNED_SPARSE model buffer size" not in caplog.text
        assert written(files[0], "on")[0] != "dense"
        assert "SNED_SPARSE model buffer size" in caplog.text


@built
def test_a_graph_stays_in_one_piece(files: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="sned.llama"):
        assert written(files[0], "on")[0] != "dense"
    assert "splits = 1," in caplog.text


@built
def test_another_ggml_is_refused_with_one_warning(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sparse_backend, "_running_ggml", lambda: "9.9.9 abc")
    available.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            assert written(files[0], "on")[0] == "dense"
            assert written(files[0], "on")[0] == "dense"
    finally:
        available.cache_clear()
    (record,) = caplog.records
    assert "9.9.9 abc" in record.getMessage()


@built
def test_a_library_of_another_version_is_left_alone(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse_backend, "_INTERFACE", 99)
    available.cache_clear()
    try:
        assert written(files[0], "on")[0] == "dense"
        assert "another version of sned" in available().reason
    finally:
        available.cache_clear()


def test_without_the_library_models_run_dense(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sparse_backend, "LIBRARY", tmp_path / "nothing.so")
    available.cache_clear()
    try:
        assert written(files[0], "on")[0] == "dense"
        assert "not built" in available().reason
    finally:
        available.cache_clear()


@built
def test_no_plain_copy_of_a_packed_matrix_is_made(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked = []
    fill = DenseView._fill_unpacked

    def recorded(self: DenseView, info: TensorInfo, *rest: Any) -> None:
        unpacked.append(info.name)
        fill(self, info, *rest)

    monkeypatch.setattr(DenseView, "_fill_unpacked", recorded)
    assert written(files[1], "on")[0] != "dense"
    assert not set(unpacked) & pruned_names(files[1])
    assert written(files[1], "off")[0] == "dense"
    assert set(unpacked) >= pruned_names(files[1])


@built
def test_a_damaged_matrix_is_refused_on_its_way_to_the_backend(files: tuple[Path, Path], tmp_path: Path) -> None:
    with SparseFile(files[1]) as sparse:
        tensor = sparse.tensors["blk.1.ffn_up.weight"]
        info = sparse.file.tensor(tensor.packed_name)
    whole = bytearray(files[1].read_bytes())
    start = info.offset + tensor.layout.table_bytes + tensor.layout.scale_bytes
    whole[start : start + 4] = bytes(4)  # of the first row's mask: half of them were ones
    spoilt = tmp_path / "spoilt.gguf"
    spoilt.write_bytes(whole)
    with pytest.raises(EngineError, match=r"blk\.1\.ffn_up\.weight.*digest"):
        written(spoilt, "on")
    digest = tensor.digest_of(np.frombuffer(bytes(whole[info.offset : info.offset + info.size]), dtype=np.uint8))
    spoilt.write_bytes(bytes(whole).replace(tensor.digest.encode(), digest.encode()))
    with pytest.raises(EngineError, match=r"blk\.1\.ffn_up\.weight.*survivors"):
        written(spoilt, "on")
    parameters = llama_cpp.llama_model_default_params()
    placement = place(spoilt, "on", parameters)
    with pytest.raises(EngineError, match=r"blk\.1\.ffn_up\.weight.*not those of such a matrix"):
        load_model(spoilt, read_shape(spoilt), parameters, placement.matrices)


@built
def test_what_cannot_be_loaded_packed_is_loaded_dense(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # As where the system refuses so much address space.
    def refusing(path: Path, shape: ModelShape, parameters: Any, packed: Collection[str] = ()) -> Any:
        if packed:
            raise EngineError("no memory")
        return load_model(path, shape, parameters)

    monkeypatch.setattr(llama, "load_model", refusing)
    backend, texts = written(files[0], "on")
    assert (backend, texts) == written(files[0], "off")
    assert "without the sparse backend: no memory" in caplog.text
