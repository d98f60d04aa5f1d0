"""Folders of safetensors, loaded by transformers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.perplexity import perplexity
from export.hugging_face import folder
from export.hugging_face.folder import write_folder
from export.hugging_face.safetensors import DType
from export.sparse.convert import dense_to_sparse
from prune.errors import CheckpointError, UsageError
from tests.export.sparse.test_convert import model as pruned_model
from tests.prune import tiny_models as tiny

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TOKENS = np.random.default_rng(0).integers(0, 250, (2, 64)).astype(np.int32)


def with_tensor(path: Path, name: str, values: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> tiny.TinyModel:
    """A tiny model with one more tensor."""
    shapes = tiny._shapes("qwen2") | {name: values.shape}
    with monkeypatch.context() as patch:
        patch.setattr(tiny, "_shapes", lambda architecture: shapes)
        return tiny.write_tiny_model(path, "qwen2", replace={name: values})


def loaded(path: Path) -> Any:
    """The model, after checking that the folder holds all of its weights and no others."""
    model, info = transformers.AutoModelForCausalLM.from_pretrained(path, output_loading_info=True)
    assert not any(info.values())
    return model.eval()


def predicted(model: Any) -> float:
    """What `perplexity` gives, by transformers."""
    with torch.inference_mode():
        tokens = torch.from_numpy(TOKENS.astype(np.int64))
        logits = model(tokens).logits[:, :-1].double().log_softmax(-1)
    return float(torch.exp(-logits.gather(2, tokens[:, 1:, None]).mean()))


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3", "llama"])
def test_it_predicts_what_llama_cpp_does(tmp_path: Path, architecture: str) -> None:
    plain = tiny.write_tiny_model(tmp_path / "plain.gguf", architecture)
    size = write_folder(plain.path, tmp_path / "out")
    assert size == sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    assert predicted(loaded(tmp_path / "out")) == pytest.approx(perplexity(plain.path, TOKENS, 1), rel=2e-4)


def test_an_output_matrix_of_its_own_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = np.random.default_rng(1).standard_normal((tiny.VOCABULARY, tiny.HIDDEN)).astype(np.float32)
    plain = with_tensor(tmp_path / "plain.gguf", "output.weight", output, monkeypatch)
    write_folder(plain.path, tmp_path / "out")
    assert (loaded(tmp_path / "out").lm_head.weight.detach().numpy() == plain.weights["output.weight"]).all()


@pytest.mark.parametrize("sparse", [False, True])
def test_quantised_weights_are_the_same_to_the_last_bit(tmp_path: Path, sparse: bool) -> None:
    source = pruned_model(tmp_path / "plain.gguf")
    path = source.path
    if sparse:
        path = tmp_path / "sparse.gguf"
        dense_to_sparse(source.path, path)
    write_folder(path, tmp_path / "out")
    state = loaded(tmp_path / "out").state_dict()
    for name, place in (
        ("token_embd.weight", "model.embed_tokens.weight"),
        ("blk.1.attn_q.weight", "model.layers.1.self_attn.q_proj.weight"),
        ("blk.2.ffn_down.weight", "model.layers.2.mlp.down_proj.weight"),
        ("blk.0.attn_v.bias", "model.layers.0.self_attn.v_proj.bias"),
    ):
        assert (state[place].numpy() == source.weights[name]).all()


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16])
def test_fewer_bits_are_the_nearest_values(tmp_path: Path, dtype: DType) -> None:
    source = pruned_model(tmp_path / "plain.gguf")
    write_folder(source.path, tmp_path / "out", dtype)
    kind = torch.float16 if dtype is DType.F16 else torch.bfloat16
    weight = loaded(tmp_path / "out").model.layers[1].mlp.up_proj.weight.detach()
    expected = torch.from_numpy(source.weights["blk.1.ffn_up.weight"])
    assert weight.dtype is kind
    assert (weight == expected.to(kind)).all()
    assert ((weight == 0) == (expected == 0)).all()


def test_large_models_take_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = tiny.write_tiny_model(tmp_path / "plain.gguf", "qwen3").path
    write_folder(plain, tmp_path / "one")
    monkeypatch.setattr(folder, "_SHARD_BYTES", 100_000)
    write_folder(plain, tmp_path / "many")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 2
    one, many = (loaded(tmp_path / name).state_dict() for name in ("one", "many"))
    assert all((one[name] == many[name]).all() for name in one)


def test_the_configuration_is_the_file_s(tmp_path: Path) -> None:
    write_folder(tiny.write_tiny_model(tmp_path / "plain.gguf", "qwen2").path, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["eos_token_id"] == tiny.TOKENS.index("<|endoftext|>")
    assert config["rope_theta"] == 10_000
    assert config["max_position_embeddings"] == 512
    assert config["architectures"] == ["Qwen2ForCausalLM"]


def test_what_has_no_place_in_a_folder_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tiny.write_tiny_model(tmp_path / "plain.gguf", "qwen2").path
    frequencies = np.ones(8, dtype=np.float32)
    more = with_tensor(tmp_path / "more.gguf", "rope_freqs.weight", frequencies, monkeypatch).path
    large = tiny.write_tiny_model(
        tmp_path / "large.gguf", "qwen2", replace={"output_norm.weight": np.full(tiny.HIDDEN, 1e6, dtype=np.float32)}
    ).path
    (tmp_path / "there").mkdir()
    before = sorted(tmp_path.iterdir())
    for source, out, dtype, error, said in (
        (more, "out", DType.F32, CheckpointError, "rope_freqs.weight"),
        (large, "out", DType.F16, UsageError, "bf16"),
        (plain, "there", DType.F32, UsageError, "there already"),
        (plain, "nowhere/out", DType.F32, UsageError, "cannot be written"),
    ):
        with pytest.raises(error, match=said):
            write_folder(source, tmp_path / out, dtype)
    assert sorted(tmp_path.iterdir()) == before


def test_other_tokenizers_are_refused_by_name(tmp_path: Path) -> None:
    plain = tiny.write_tiny_model(tmp_path / "plain.gguf", "llama").path
    changed = plain.read_bytes().replace(b"qwen2", b"qwenX")
    (tmp_path / "changed.gguf").write_bytes(changed)
    with pytest.raises(CheckpointError, match="'qwenX'"):
        write_folder(tmp_path / "changed.gguf", tmp_path / "out")
