"""The default base model with a trimmed vocabulary, beside itself."""

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.corpus import Document
from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Prompt, Sampling, Segment
from assistant.engine.tokenizer import open_tokenizer
from assistant.engine.vocabulary import Vocabulary
from assistant.fim import fim_prompt, find_fim_tokens
from assistant.token_counts import count_tokens
from export.vocabulary import KeptVocabulary, TrimOptions, trim, trim_vocabulary
from tests.export.vocabulary.byte_level import BYTES, opened

pytestmark = pytest.mark.model

ROOT = Path(__file__).resolve().parents[3]
SOURCES = sorted([*(ROOT / "assistant").rglob("*.py"), *(ROOT / "export").rglob("*.py")])
SIZE = 32_768

SCRIPTS = "日本語中文한국어🙂👩\u200d💻العربيةрусскийñéß—→\ufeff\x00"
PIECES = ["def ", "self", "    ", "\n", "\t", "==", "import numpy as np\n", "x_1", "'", '"""', "# ", "()", "0x1f"]

languages = st.text(st.characters(min_codepoint=0x20) | st.sampled_from(SCRIPTS), max_size=40)
code = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)
special = st.sampled_from(["<|im_end|>", "<|fim_middle|>", "<tool_call>", "</s>", "[PAD151935]"])
texts = st.lists(languages | code | special, max_size=5).map("".join)


@dataclass(frozen=True)
class Pair:
    """The base model and what was made of it."""

    base: Path
    trimmed: Path
    kept: KeptVocabulary
    old: Vocabulary
    new: Vocabulary


@pytest.fixture(scope="module")
def pair(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    trimmed = tmp_path_factory.mktemp("trimmed") / "model.gguf"
    with open_tokenizer(base_model) as tokenizer:
        documents = (Document("project", path.name, path.read_text(encoding="utf-8")) for path in SOURCES)
        counts = count_tokens(documents, tokenizer, 1_000_000)
    kept = trim_vocabulary(base_model, counts, TrimOptions(size=SIZE))
    trim(base_model, kept, trimmed)
    with opened(base_model) as old, opened(trimmed) as new:
        yield Pair(base_model, trimmed, kept, old, new)


def check(pair: Pair, text: str) -> None:
    before, after = pair.old.tokenize(text), pair.new.tokenize(text)
    mapped = pair.kept.new_ids[before].tolist()
    assert b"".join(map(pair.new.piece, after)) == b"".join(map(pair.old.piece, before))
    if min(mapped, default=0) >= 0:
        assert after == mapped


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=texts)
def test_any_text_is_written_and_kept_text_as_before(pair: Pair, text: str) -> None:
    check(pair, text)
    ordinary = text.replace("<tool_call>", "").encode("utf-8", errors="replace")
    pieces = map(pair.new.piece, pair.new.tokenize(ordinary.decode()))
    assert b"".join(pieces) == ordinary


def test_code_is_encoded_as_before(pair: Pair) -> None:
    for path in SOURCES:
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            check(pair, line)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=100))
def test_any_bytes_can_be_written(pair: Pair, junk: bytes) -> None:
    """Byte tokens spell what is no text; as text it is encoded as the base encodes it."""
    names = {pair.new.name(token): token for token in range(pair.new.size) if len(pair.new.name(token)) == 1}
    tokens = [names[BYTES[byte]] for byte in junk]
    assert b"".join(map(pair.new.piece, tokens)) == junk
    check(pair, junk.decode("latin-1"))


def test_each_removed_tokens_text_takes_more_and_each_kept_ones_does_not(pair: Pair) -> None:
    """As llama.cpp cuts it into words first, where a token's text is one word."""
    for token in random.Random(0).sample(range(pair.old.size), 20_000):
        raw = pair.old.piece(token)
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            continue  # part of a character
        if text and pair.old.is_plain(token) and pair.old.tokenize(text) == [token]:
            after = pair.new.tokenize(text)
            if pair.kept.new_ids[token] >= 0:
                assert after == [pair.kept.new_ids[token]]
            else:
                assert len(after) > 1
            assert b"".join(map(pair.new.piece, after)) == raw


def test_what_has_a_role_has_it_still(pair: Pair) -> None:
    assert pair.new.size == len(pair.kept.ids) == SIZE
    assert pair.new.declared() == pair.old.declared()
    assert pair.new.name(pair.new.end_of_sequence) == pair.old.name(pair.old.end_of_sequence) == "<|im_end|>"
    assert pair.new.name(pair.new.begin_of_sequence) == pair.old.name(pair.old.begin_of_sequence)
    for token in range(151_643, 151_665):  # all that follow the merged ones, padding left out
        name = pair.old.name(token)
        assert pair.new.special(name) == (pair.kept.new_ids[token] if pair.old.special(name) is not None else None)
        assert pair.new.ends(int(pair.kept.new_ids[token])) == pair.old.ends(token)


def test_completions_are_the_bases(pair: Pair) -> None:
    """Where the base reads and writes kept tokens, the trimmed model writes the same: each logit is the same row's."""
    starts = [
        "def add(a, b):\n    ",
        "import json\n\n\ndef load(path):\n    with open(",
        "for number in range(",
        "class A",
    ]
    written = []
    for path in (pair.base, pair.trimmed):
        engine = LlamaEngine(path, LlamaOptions(context=1024))
        fim = find_fim_tokens(engine)
        prompts = [Prompt((Segment(start),), healed=True) for start in starts]
        prompts += [fim_prompt(fim, start, "\n\nprint(1)\n") for start in starts]
        for prompt in prompts:
            with closing(engine.generate(prompt, Sampling(max_tokens=12))) as generation:
                written.append("".join(generation))
        engine.close()
    compared = 0
    for start, by_base, by_trimmed in zip([*starts, *starts], written[:8], written[8:], strict=True):
        if (pair.kept.new_ids[pair.old.tokenize(start + by_base)] >= 0).all():
            assert by_trimmed == by_base
            compared += 1
    assert compared > 3
