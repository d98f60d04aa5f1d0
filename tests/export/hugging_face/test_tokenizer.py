"""Tokenizers as tokenizer.json give the tokens that llama.cpp gives."""

import json
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gguf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.engine.tokenizer import open_tokenizer
from export.hugging_face.tokenizer import PRE_TOKENIZERS, tokenizer_files
from prune.gguf_file import GGUFFile
from tests.export.vocabulary.byte_level import opened, tokenizer_of, write_file
from tests.prune import tiny_models as tiny

tokenizers = pytest.importorskip("tokenizers")

SOURCES = sorted(Path(__file__).parents[3].joinpath("assistant").glob("*.py"))
PIECES = [
    "def ",
    "self",
    "    ",
    "\n",
    "\t",
    "\r\n",
    "==",
    "don't",
    "DON'T",
    "12345",
    "x_1",
    '"""',
    "()",
    "<tool_call>",
]
languages = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("日本語🙂\u200d\xa0\u017féß—"), max_size=30
)
texts = st.lists(languages | st.sampled_from(PIECES), max_size=12).map("".join)


def written(path: Path) -> tuple[Any, dict[str, Any]]:
    """The tokenizer that a model's files make, and their configuration."""
    with GGUFFile(path) as file:
        files = tokenizer_files(file)
    return tokenizers.Tokenizer.from_str(json.dumps(files["tokenizer.json"])), files["tokenizer_config.json"]


@contextmanager
def both(path: Path) -> Iterator[tuple[Any, Any]]:
    with open_tokenizer(path) as own:
        yield written(path)[0], own


@pytest.fixture(scope="module")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_tiny_model(tmp_path_factory.mktemp("tokenizer") / "model.gguf", "qwen2").path


def test_special_tokens_are_what_the_file_says(tiny_path: Path) -> None:
    tokenizer, config = written(tiny_path)
    ids = tokenizer.encode("a<|fim_prefix|>b").ids
    assert ids == [tiny.TOKENS.index(token) for token in ("a", "<|fim_prefix|>", "b")]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "ab"
    assert config["eos_token"] == "<|endoftext|>"


@given(text=texts)
def test_any_text_comes_back(tiny_path: Path, text: str) -> None:
    tokenizer, _ = written(tiny_path)
    assert tokenizer.decode(tokenizer.encode(text).ids) == unicodedata.normalize("NFC", text)


@pytest.fixture(scope="module")
def merges() -> list[tuple[str, str]]:
    """Merges learned from text that was not cut first: where it is cut shows in the tokens."""
    from tokenizers import models, pre_tokenizers, trainers

    learning = tokenizers.Tokenizer(models.BPE())
    learning.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    lines = [line for path in SOURCES for line in path.read_text().splitlines(keepends=True)]
    lines += ["don't I'll 12345 3.14\r\n\r\n\t  日本語テキスト 한국어, «été» — naïve; x\u00a0y  \n"] * 50
    trainer = trainers.BpeTrainer(
        vocab_size=1500, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    learning.train_from_iterator(lines, trainer)
    return [tuple(pair) for pair in json.loads(learning.to_str())["model"]["merges"]]


@pytest.mark.parametrize("pre", sorted(PRE_TOKENIZERS))
def test_text_is_cut_as_llama_cpp_cuts_it(tmp_path: Path, merges: list[tuple[str, str]], pre: str) -> None:
    context = {"qwen2.context_length": (512, gguf.GGUFValueType.UINT32)}
    path = write_file(tmp_path / "model.gguf", tokenizer_of(merges, pre=pre), more=context)
    tokenizer, _ = written(path)
    tokenizer.normalizer = None
    with opened(path) as own:

        @settings(max_examples=60)
        @given(text=texts)
        def check(text: str) -> None:
            text = text.replace("<", "")  # special tokens were not asked for there
            assert tokenizer.encode(text).ids == list(own.tokenize(text))

        check()


@pytest.mark.model
def test_the_default_model_s_tokens_are_llama_cpp_s(base_model: Path) -> None:
    with both(base_model) as (tokenizer, own):

        @given(text=texts.filter(lambda text: "<|" not in text))
        def check(text: str) -> None:
            composed = unicodedata.normalize("NFC", text)
            assert tokenizer.encode(text).ids == own.tokenize(composed)

        check()
        for source in (path.read_text() for path in SOURCES):
            if "<|" not in source:  # where special tokens are named, llama.cpp was asked to take them for text
                assert tokenizer.encode(source).ids == own.tokenize(source)
