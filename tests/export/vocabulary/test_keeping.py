"""What is kept: a closed set, in which kept text is encoded as before, and everything can be written."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.vocabulary import (
    ByteLevelBPE,
    KeptVocabulary,
    TrimOptions,
    choose,
    read_byte_level_bpe,
    trim,
    trim_vocabulary,
)
from export.vocabulary.bpe import MergeRanks
from prune.errors import UsageError
from prune.gguf_file import GGUFFile
from tests.export.vocabulary.byte_level import (
    BYTES,
    LETTERS,
    PADDING,
    SPECIAL,
    Tokenizer,
    opened,
    read,
    tokenizer_of,
    tokenizers,
    write_file,
    written,
)

words = st.text(alphabet=LETTERS, min_size=1, max_size=12)
parts = st.sampled_from([*LETTERS, " ", "\n", "1", "!", "🙂", "<|im_end|>", "<tool>"])
texts = st.lists(parts, max_size=30).map("".join) | st.text(max_size=30)
SMALL = TrimOptions(fill=False)
ONLY_REQUIRED = len(BYTES) + len(SPECIAL)


def described(tokenizer: Tokenizer) -> ByteLevelBPE:
    return ByteLevelBPE(
        tokenizer.tokens,
        tuple(tokenizer.types),
        tokenizer.merges,
        {f"tokenizer.ggml.{role}_token_id": tokenizer.tokens.index("<|im_end|>") for role in ("bos", "eos")},
        digest="",
    )


def drawn_choice(data: st.DataObject, base: ByteLevelBPE) -> KeptVocabulary:
    """What is kept for random counts and a random size."""
    size = len(base.tokens)
    counts = np.zeros(size, dtype=np.int64)
    for token in data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=20)):
        counts[token] += 1
    options = TrimOptions(data.draw(st.integers(len(base.required()) + 12, size + 12)), 0.0, data.draw(st.booleans()))
    try:
        return choose(base, counts, options)
    except UsageError:  # what blocking merges need may be more than the size
        return choose(base, counts, TrimOptions(size, 0.0, fill=False))


def kept_ranks(base: ByteLevelBPE, kept: KeptVocabulary) -> MergeRanks:
    return MergeRanks([base.merges[rank] for rank in kept.merges])


@given(tokenizers(), st.data())
def test_each_kept_token_is_reached_by_the_kept_merges(tokenizer: Tokenizer, data: st.DataObject) -> None:
    base = described(tokenizer)
    kept = drawn_choice(data, base)
    ranks = kept_ranks(base, kept)
    for token in kept.ids.tolist():
        text = base.tokens[token]
        if base.ranks.encode(text).tokens == [text]:
            encoding = ranks.encode(text)
            assert encoding.tokens == [text]
            assert {base.ids[step] for step in encoding.merged} <= set(kept.ids.tolist())


@given(tokenizers(), words, st.data())
def test_a_word_of_kept_tokens_is_encoded_as_before(tokenizer: Tokenizer, word: str, data: st.DataObject) -> None:
    base = described(tokenizer)
    before = base.ranks.encode(written(word)).tokens
    counts = np.bincount([base.ids[token] for token in before])
    kept = choose(base, counts, TrimOptions(len(base.tokens), 1.0, fill=data.draw(st.booleans())))
    assert kept_ranks(base, kept).encode(written(word)).tokens == before


@given(tokenizers(), words, st.data())
def test_other_words_are_spelled_with_kept_tokens(tokenizer: Tokenizer, word: str, data: st.DataObject) -> None:
    base = described(tokenizer)
    kept = drawn_choice(data, base)
    after = kept_ranks(base, kept).encode(written(word)).tokens
    assert "".join(after) == written(word)
    assert all(kept.new_ids[base.ids[token]] >= 0 for token in after)


@given(tokenizers(), st.data())
def test_a_removed_tokens_own_text_takes_more(tokenizer: Tokenizer, data: st.DataObject) -> None:
    base = described(tokenizer)
    kept = drawn_choice(data, base)
    ranks = kept_ranks(base, kept)
    for token in np.flatnonzero(kept.new_ids < 0).tolist():
        if base.is_plain(token):
            assert len(ranks.encode(base.tokens[token]).tokens) > 1


@given(st.booleans(), st.data())
def test_llama_cpp_encodes_kept_text_as_before_and_writes_everything(complete: bool, data: st.DataObject) -> None:
    tokenizer = data.draw(tokenizers(complete=complete))
    made = st.sampled_from([read(first + second) for first, second in tokenizer.merges])
    samples = data.draw(st.lists(texts | st.lists(made | parts, max_size=6).map("".join), min_size=1, max_size=8))
    with TemporaryDirectory() as folder:
        source = write_file(Path(folder) / "base.gguf", tokenizer)
        with GGUFFile(source) as file:
            base = read_byte_level_bpe(file)
        with opened(source) as old:
            used = old.tokenize(data.draw(st.sampled_from([*samples, ""])))
        kept = choose(base, np.bincount(used), SMALL) if used else drawn_choice(data, base)
        trim(source, kept, Path(folder) / "trimmed.gguf")
        with opened(source) as old, opened(Path(folder) / "trimmed.gguf") as new:
            for text in samples:
                before, after = old.tokenize(text), new.tokenize(text)
                mapped = kept.new_ids[before].tolist()
                if min(mapped, default=0) >= 0:
                    assert after == mapped
                else:
                    assert [int(kept.ids[token]) for token in after] != before
                if complete:
                    assert b"".join(map(new.piece, after)) == b"".join(map(old.piece, before))
                    assert all(map(new.is_plain, after)) == all(map(old.is_plain, before))


@given(tokenizers(), words)
def test_llama_cpp_merges_as_the_simulation_does(tokenizer: Tokenizer, word: str) -> None:
    whole_words_first = tokenizer.pre == "llama-bpe" and written(word) in tokenizer.tokens
    expected = [written(word)] if whole_words_first else described(tokenizer).ranks.encode(written(word)).tokens
    with TemporaryDirectory() as folder, opened(write_file(Path(folder) / "base.gguf", tokenizer)) as vocabulary:
        assert list(map(vocabulary.name, vocabulary.tokenize(word))) == expected


@given(tokenizers(), words)
def test_hugging_faces_tokenizer_merges_as_the_simulation_does(tokenizer: Tokenizer, word: str) -> None:
    models = pytest.importorskip("tokenizers").models
    pairs = list(dict.fromkeys(tokenizer.merges))  # there, of a pair that is listed twice the last counts
    model = models.BPE(vocab={token: place for place, token in enumerate(tokenizer.tokens)}, merges=pairs)
    expected = [token.value for token in model.tokenize(written(word))]
    assert described(tokenizer).ranks.encode(written(word)).tokens == expected


def test_removing_a_token_may_free_another_merge() -> None:
    """Why "more tokens" is said of a removed token's own text alone: elsewhere it is so nearly always."""
    base = described(tokenizer_of([("b", "c"), ("a", "b"), ("c", "d")]))
    counts = np.bincount([base.ids["ab"], base.ids["cd"]])
    kept = choose(base, counts, SMALL)
    assert base.ranks.encode("abcd").tokens == ["a", "bc", "d"]
    assert kept_ranks(base, kept).encode("abcd").tokens == ["ab", "cd"]


def test_a_merge_into_no_token_goes_on_blocking_others(tmp_path: Path) -> None:
    """`abc` is no token, so llama.cpp writes it in bytes; without `ab` the text would become `a` and `bc`."""
    tokenizer = tokenizer_of([("a", "b"), ("ab", "c"), ("b", "c")], without=["abc"])
    source = write_file(tmp_path / "base.gguf", tokenizer)
    kept = trim_vocabulary(source, np.bincount([tokenizer.tokens.index("bc")]), SMALL)
    trim(source, kept, tmp_path / "trimmed.gguf")
    with opened(source) as old, opened(tmp_path / "trimmed.gguf") as new:
        assert list(map(old.name, old.tokenize("abc"))) == ["a", "b", "c"]
        assert list(map(new.name, new.tokenize("abc"))) == ["a", "b", "c"]
        assert list(map(new.name, new.tokenize("bc"))) == ["bc"]


def test_the_path_is_the_one_that_the_ranks_lead_to() -> None:
    """`abcd` is listed as `abc d` too, but its text is merged as `ab` and `cd`: it is never made of `abc`."""
    base = described(tokenizer_of([("a", "b"), ("c", "d"), ("ab", "c"), ("abc", "d"), ("ab", "cd")]))
    kept = choose(base, np.bincount([base.ids["abcd"]]), SMALL)
    made = {base.tokens[token] for token in kept.ids.tolist()} - set(BYTES) - set(SPECIAL)
    assert made == {"ab", "cd", "abcd"}
    assert [base.merges[rank] for rank in kept.merges] == [("a", "b"), ("c", "d"), ("ab", "cd")]


def test_what_comes_first_when_there_is_little_room() -> None:
    base = described(tokenizer_of([("a", "a"), ("b", "b"), ("c", "c"), (BYTES[0xC3], BYTES[0xA9]), ("d", "d")]))
    accented = BYTES[0xC3] + BYTES[0xA9]
    counts = np.zeros(len(base.tokens), dtype=np.int64)
    counts[[base.ids["bb"], base.ids[accented], base.ids["aa"]]] = [90, 8, 2]

    def kept(size: int, coverage: float = 0.0, *, fill: bool = True) -> set[str]:
        chosen = choose(base, counts, TrimOptions(ONLY_REQUIRED + size, coverage, fill))
        assert chosen.coverage == pytest.approx(sum(counts[token] for token in chosen.ids) / 100)
        return {base.tokens[token] for token in chosen.ids.tolist()} - set(BYTES) - set(SPECIAL)

    assert kept(1) == {"bb"}
    assert kept(2) == {"bb", "aa"}  # ASCII before what is used more
    assert kept(2, 0.95) == {"bb", accented}  # but the coverage before that
    assert kept(9, fill=False) == {"bb", "aa", accented}
    assert kept(4) == {"bb", "aa", accented, "cc"}
    assert kept(9) == {"bb", "aa", accented, "cc", "dd"}
    with pytest.raises(UsageError, match=r"263.*95.*90.*more tokens"):
        kept(1, 0.95)
    with pytest.raises(UsageError, match="allow more tokens"):
        choose(base, counts, TrimOptions(100, 0.0))


def test_bytes_and_special_tokens_are_kept_and_padding_is_not() -> None:
    base = described(tokenizer_of([("a", "b"), ("<", "s"), ("<s", ">")]))
    kept = choose(base, np.array([1]), SMALL)
    texts = {base.tokens[token] for token in kept.ids.tolist()}
    assert texts == {*BYTES, *SPECIAL, "<s>", "<s"}  # llama.cpp gives a role to the text `<s>`; `<s` makes it
    assert not texts & set(PADDING)


def test_nonsense_is_refused() -> None:
    base = described(tokenizer_of([("a", "b")]))
    with pytest.raises(UsageError, match="no tokens"):
        choose(base, np.zeros(4, dtype=np.int64))
    for counts in (np.ones(len(base.tokens) + 1, np.int64), np.ones(3), np.array([-1]), np.ones((2, 2), np.int64)):
        with pytest.raises(ValueError, match="vector of at most"):
            choose(base, counts)
    with pytest.raises(UsageError, match=r"coverage of 1\.5"):
        TrimOptions(coverage=1.5)
    with pytest.raises(UsageError, match="vocabulary of 0"):
        TrimOptions(size=0)
