"""The trimmed file: what concerns the vocabulary is of the kept tokens, and everything else is the base's."""

import re
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf.constants import GGUFValueType

from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Prompt, Sampling, Segment, TokenRole
from assistant.fim import fim_prompt, find_fim_tokens
from export.vocabulary import KeptVocabulary, TrimOptions, read_byte_level_bpe, trim, trim_vocabulary
from prune.errors import CheckpointError, UsageError
from prune.gguf_file import GGUFFile
from tests.export.vocabulary.byte_level import (
    BYTES,
    SPECIAL,
    Tokenizer,
    opened,
    tokenizer_of,
    write_file,
    written,
)
from tests.prune import tiny_models as tiny

BASE = tokenizer_of([("d", "e"), ("de", "f"), ("x", "y"), ("xy", "z"), ("a", "b")])
NO_MORE = TrimOptions(fill=False)
OF_VOCABULARY = ("output.weight", "token_embd.weight")


def counted(*texts: str, tokenizer: Tokenizer = BASE) -> np.ndarray:
    return np.bincount([tokenizer.tokens.index(written(text)) for text in texts])


def keep_def(path: Path) -> KeptVocabulary:
    """The tokens to keep where only `def` is used."""
    return trim_vocabulary(path, counted("def"), NO_MORE)


def test_the_lists_are_those_of_the_kept_tokens(tmp_path: Path) -> None:
    source = write_file(tmp_path / "base.gguf", BASE)
    kept = keep_def(source)
    trim(source, kept, tmp_path / "trimmed.gguf")
    with GGUFFile(tmp_path / "trimmed.gguf") as file:
        tokens = file.value("tokenizer.ggml.tokens")
        assert set(tokens) == {*BYTES, *SPECIAL, "de", "def"}
        assert tokens == [BASE.tokens[token] for token in kept.ids]
        assert file.value("tokenizer.ggml.token_type") == [BASE.types[token] for token in kept.ids]
        assert file.value("tokenizer.ggml.merges") == ["d e", "de f"]
        assert file.value("sned.vocabulary.base_size") == len(BASE.tokens)
        assert file.value("sned.vocabulary.digest") == kept.digest


@pytest.mark.parametrize("kind", ["F32", "Q8_0", "Q4_0", "Q6_K", "Q4_K"])
@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
def test_rows_are_taken_out_as_they_are_stored(kind: str, tied: bool, tmp_path: Path) -> None:
    if kind in ("Q6_K", "Q4_K"):  # gguf does not quantise to these: any bytes will do
        source = write_file(tmp_path / "float.gguf", BASE, kind=gguf.GGMLQuantizationType.F32, tied=tied)
        quantised = gguf.GGMLQuantizationType[kind]
        source = _with_random_rows(source, tmp_path / "base.gguf", quantised, tied)
    else:
        source = write_file(tmp_path / "base.gguf", BASE, kind=gguf.GGMLQuantizationType[kind], tied=tied)
    kept = keep_def(source)
    trim(source, kept, tmp_path / "trimmed.gguf")
    with GGUFFile(source) as old, GGUFFile(tmp_path / "trimmed.gguf") as new:
        assert list(new.tensors) == list(old.tensors)
        for name, info in new.tensors.items():
            before, after = old.read(old.tensors[name]), new.read(info)
            assert info.type == old.tensors[name].type
            if name in OF_VOCABULARY:
                assert info.shape == (len(kept.ids), old.tensors[name].shape[1])
                rows = before.reshape(len(BASE.tokens), -1)
                assert after.tobytes() == rows[kept.ids].tobytes()
            else:
                assert after.tobytes() == before.tobytes()
    assert {tensor.name for tensor in gguf.GGUFReader(tmp_path / "trimmed.gguf").tensors} == set(new.tensors)


def _with_random_rows(source: Path, path: Path, kind: gguf.GGMLQuantizationType, tied: bool) -> Path:
    """A file as `source` with embedding and output of random bytes, 256 values a row."""
    writer = gguf.GGUFWriter(path, "qwen2")
    with GGUFFile(source) as file:
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list(file.value("tokenizer.ggml.tokens"))
        writer.add_token_types(file.value("tokenizer.ggml.token_type"))
        writer.add_token_merges(file.value("tokenizer.ggml.merges"))
    random = np.random.default_rng(1)
    for name in OF_VOCABULARY[tied:]:
        shape = (len(BASE.tokens), gguf.GGML_QUANT_SIZES[kind][1])
        writer.add_tensor(name, random.integers(0, 256, shape).astype(np.uint8), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_ids_that_the_metadata_name_follow_their_tokens(tmp_path: Path) -> None:
    roles = {"fim_pre": "<|fim_prefix|>", "fim_suf": "<|fim_suffix|>", "padding": "<|endoftext|>", "eot": "<|im_end|>"}
    ids = {f"tokenizer.ggml.{role}_token_id": BASE.tokens.index(text) for role, text in roles.items()}
    size = len(BASE.tokens)
    more: dict[str, tuple[object, GGUFValueType]] = {key: (token, GGUFValueType.UINT32) for key, token in ids.items()}
    more |= {
        "tokenizer.ggml.eom_token_id": (ids["tokenizer.ggml.eot_token_id"], GGUFValueType.INT32),
        "tokenizer.ggml.mask_token_id": (-1, GGUFValueType.INT32),
        "tokenizer.ggml.unknown_token_id": (0xFFFFFFFF, GGUFValueType.UINT32),
        "qwen2.vocab_size": (size, GGUFValueType.UINT64),
        "tokenizer.chat_template": ("{{ messages }}", GGUFValueType.STRING),
    }
    source = write_file(tmp_path / "base.gguf", BASE, more=more)
    kept = keep_def(source)
    trim(source, kept, tmp_path / "trimmed.gguf")
    with GGUFFile(source) as old, GGUFFile(tmp_path / "trimmed.gguf") as new:
        tokens = new.value("tokenizer.ggml.tokens")
        for role, text in {**roles, "eom": "<|im_end|>", "eos": "<|im_end|>", "bos": "<|endoftext|>"}.items():
            key = f"tokenizer.ggml.{role}_token_id"
            assert tokens[new.value(key)] == text
            assert new.entries[key].type == old.entries[key].type
        assert (new.value("qwen2.vocab_size"), new.entries["qwen2.vocab_size"].type) == (
            len(kept.ids),
            GGUFValueType.UINT64,
        )
        changed = {"tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges", "qwen2.vocab_size"}
        assert list(new.entries) == [*old.entries, "sned.vocabulary.base_size", "sned.vocabulary.digest"]
        for key in old.entries:
            if key not in changed and not key.endswith("_token_id"):
                assert new.raw_entry(key) == old.raw_entry(key)
        for key in ("tokenizer.ggml.mask_token_id", "tokenizer.ggml.unknown_token_id"):
            assert new.raw_entry(key) == old.raw_entry(key)


def test_llama_cpp_finds_the_same_roles(tmp_path: Path) -> None:
    padding = {"tokenizer.ggml.fim_pad_token_id": (BASE.tokens.index("<tool>"), GGUFValueType.UINT32)}
    source = write_file(tmp_path / "base.gguf", BASE, more=padding)
    trim(source, keep_def(source), tmp_path / "trimmed.gguf")
    with opened(source) as old, opened(tmp_path / "trimmed.gguf") as new:
        assert new.declared() == old.declared()
        assert new.declared()[TokenRole.FIM_PREFIX] == "<|fim_prefix|>"
        assert new.declared()[TokenRole.FIM_PAD] == "<tool>"
        assert new.name(new.end_of_sequence) == old.name(old.end_of_sequence) == "<|im_end|>"
        for text in SPECIAL:
            assert (new.special(text) is None) == (old.special(text) is None)


def test_where_no_end_is_named_llama_cpps_default_stays(tmp_path: Path) -> None:
    source = _with_random_rows(
        write_file(tmp_path / "f.gguf", BASE), tmp_path / "base.gguf", gguf.GGMLQuantizationType.Q8_0, tied=True
    )
    trim(source, keep_def(source), tmp_path / "trimmed.gguf")
    with opened(source) as old, opened(tmp_path / "trimmed.gguf") as new:
        assert new.name(new.end_of_sequence) == old.name(old.end_of_sequence)


def test_equal_arguments_give_equal_bytes_and_nothing_beside(tmp_path: Path) -> None:
    source = write_file(tmp_path / "base.gguf", BASE)
    for name in ("one.gguf", "two.gguf"):
        trim(source, keep_def(source), tmp_path / name)
    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "two.gguf").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"base.gguf", "one.gguf", "two.gguf"}


def test_what_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_file(tmp_path / "base.gguf", BASE)
    kept = keep_def(source)
    (tmp_path / "there.gguf").write_text("mine")
    with pytest.raises(FileExistsError, match=r"there\.gguf"):
        trim(source, kept, tmp_path / "there.gguf")
    assert (tmp_path / "there.gguf").read_text() == "mine"

    def cut_short(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("export.beside.os.fsync", cut_short)
    with pytest.raises(OSError, match="no space"):
        trim(source, kept, tmp_path / "trimmed.gguf")
    assert {path.name for path in tmp_path.iterdir()} == {"base.gguf", "there.gguf"}


def test_tokens_chosen_for_another_tokenizer_are_refused(tmp_path: Path) -> None:
    kept = keep_def(write_file(tmp_path / "base.gguf", BASE))
    other = write_file(tmp_path / "other.gguf", tokenizer_of([*BASE.merges, ("a", "c")]))
    with pytest.raises(UsageError, match=r"another tokenizer.*other\.gguf"):
        trim(other, kept, tmp_path / "trimmed.gguf")


@pytest.mark.parametrize("kind", ["llama", "t5", "bert", "rwkv", "gemma4"])
def test_other_kinds_of_tokenizers_are_refused_by_name(kind: str, tmp_path: Path) -> None:
    source = write_file(tmp_path / "base.gguf", BASE, model=kind)
    with pytest.raises(CheckpointError, match=rf"base\.gguf \(Small One\).*'{kind}'.*Leave trimming out"):
        keep_def(source)


def test_files_that_cannot_be_trimmed_are_refused(tmp_path: Path) -> None:
    source = write_file(tmp_path / "base.gguf", BASE)
    trim(source, keep_def(source), tmp_path / "trimmed.gguf")
    with pytest.raises(CheckpointError, match="trimmed vocabulary already"):
        keep_def(tmp_path / "trimmed.gguf")
    without_byte = tokenizer_of([(BYTES[0xE5], "a")], without=[BYTES[0xE5]])
    with pytest.raises(CheckpointError, match=r"no token for the byte 0xe5"):
        keep_def(write_file(tmp_path / "a.gguf", without_byte))
    of_characters = Tokenizer((*BASE.tokens, *"のはがをにへと"), BASE.merges)
    with pytest.raises(CheckpointError, match=r"7 tokens such as 'の'.*not byte-level"):
        keep_def(write_file(tmp_path / "e.gguf", of_characters))
    doubled = Tokenizer((*BASE.tokens, "def"), BASE.merges)
    with pytest.raises(CheckpointError, match=rf"{len(doubled.tokens)} tokens, {len(BASE.tokens)} of them different"):
        keep_def(write_file(tmp_path / "b.gguf", doubled))
    second = {"tokenizer.huggingface.json": ("{}", GGUFValueType.STRING)}
    with pytest.raises(CheckpointError, match="a second time"):
        keep_def(write_file(tmp_path / "c.gguf", BASE, more=second))
    with pytest.raises(CheckpointError, match="other things than text"):
        keep_def(write_file(tmp_path / "d.gguf", BASE, more={"tokenizer.ggml.merges": ([1], GGUFValueType.ARRAY)}))
    sparse = write_file(tmp_path / "f.gguf", BASE, more={"sned.sparse.version": (1, GGUFValueType.UINT32)})
    with pytest.raises(CheckpointError, match="sparse GGUF already"):  # its digest is of what would change
        trim(sparse, keep_def(sparse), tmp_path / "g.gguf")


def test_a_byte_that_the_base_cannot_write_is_no_reason_to_refuse(tmp_path: Path) -> None:
    """StarCoder has no token for 0xf1, which no assigned character has."""
    lacking = tokenizer_of(BASE.merges, without=[BYTES[0xF1]])
    source = write_file(tmp_path / "base.gguf", lacking)
    kept = trim_vocabulary(source, counted("def", tokenizer=lacking), NO_MORE)
    trim(source, kept, tmp_path / "trimmed.gguf")
    with opened(tmp_path / "trimmed.gguf") as vocabulary:
        assert list(map(vocabulary.name, vocabulary.tokenize("defdé"))) == ["def", "d", BYTES[0xC3], BYTES[0xA9]]


def write_tiny(path: Path, tokens: list[str], merges: list[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny model that computes, with this vocabulary."""
    monkeypatch.setattr(tiny, "TOKENS", tuple(tokens))
    monkeypatch.setattr(tiny, "VOCABULARY", len(tokens))
    return tiny.write_tiny_model(path, "qwen2", gguf.GGMLQuantizationType.Q8_0).path


def test_completions_are_the_bases_where_it_writes_kept_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokens that are removed are ones that this base does not write: their output rows are zeros."""
    unused = [f"{first}{second}" for first in "qwz" for second in "jkv"]
    source = write_tiny(tmp_path / "base.gguf", [*tiny.TOKENS, *unused], [], monkeypatch)
    with GGUFFile(source) as file:
        base = read_byte_level_bpe(file)
        info = file.tensor("token_embd.weight")
    with source.open("r+b") as raw:
        raw.seek(info.offset + info.size // info.shape[0] * base.ids["qj"])
        raw.write(bytes(info.size // info.shape[0] * len(unused)))
    kept = trim_vocabulary(source, np.bincount([base.ids["ĠĠ"]]), NO_MORE)
    assert {base.tokens[token] for token in np.flatnonzero(kept.new_ids < 0)} == set(unused)
    trim(source, kept, tmp_path / "trimmed.gguf")
    written_by = []
    for path in (source, tmp_path / "trimmed.gguf"):
        engine = LlamaEngine(path, LlamaOptions(context=256, batch=32))
        prompts = [
            Prompt((Segment("def add(a, b):\n    return"),)),
            Prompt((Segment("def add(a, b):\n    re"),), healed=True),
            fim_prompt(find_fim_tokens(engine), "def add(a, b):\n    ret", "\n\nprint(add(1, 2))\n"),
        ]
        written_by.extend("".join(engine.generate(prompt, Sampling(max_tokens=24))) for prompt in prompts)
        engine.close()
    half = len(written_by) // 2
    assert written_by[:half] == written_by[half:]
    assert any(written_by)


def test_the_python_of_the_documentation_trims_a_file(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "vocabulary.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(shown, "vocabulary.md", "exec"), names)
    source = write_file(tmp_path / "base.gguf", BASE)
    names["trim_file"](source, tmp_path / "trimmed.gguf", counted("def"), len(BYTES) + len(SPECIAL) + 2)
    with GGUFFile(tmp_path / "trimmed.gguf") as file:
        assert set(file.value("tokenizer.ggml.tokens")) == {*BYTES, *SPECIAL, "de", "def"}
