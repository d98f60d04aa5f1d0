"""The calibration set: shares, packing without padding, determinism, and what to do when text is short."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.calibration import CalibrationText, collect
from assistant.corpus import Document
from assistant.engine.tokenizer import Tokenizer
from assistant.errors import BuildError
from assistant.languages import Language
from assistant.recipe import Recipe

SEPARATOR = -1
BYTES = Tokenizer(tokenize=lambda text: list(text.encode()), separator=SEPARATOR)


def documents(origin: str, sizes: list[int]) -> Iterator[Document]:
    for number, size in enumerate(sizes):
        lines = "".join(f"x = {line}\n" for line in range(size))
        yield Document(origin, f"{number}.py", f"# {origin} {number}\n{lines}"[:size])


def text(
    project: Iterable[Document], corpus: Iterable[Document], language: Language = Language.PYTHON
) -> CalibrationText:
    return CalibrationText(language, project, corpus, advice="get more")


def recipe(sequences: int = 4, length: int = 32, share: float = 0.5, seed: int = 0) -> Recipe:
    return Recipe(tokens=sequences * length, sequence_length=length, project_share=share, seed=seed)


def test_the_project_gives_its_share_and_the_corpus_the_rest() -> None:
    found = collect(text(documents("project", [40] * 9), documents("corpus", [40] * 9)), recipe(), BYTES)
    assert found.record.sources == {"project": 64, "corpus": 64}
    assert found.tokens.shape == (4, 32)


def test_a_small_project_gives_what_it_has() -> None:
    found = collect(text(documents("project", [20]), documents("corpus", [40] * 9)), recipe(), BYTES)
    assert found.record.sources == {"project": 21, "corpus": 107}


def test_where_the_corpus_is_small_the_project_gives_more() -> None:
    found = collect(text(documents("project", [40] * 9), documents("corpus", [20])), recipe(), BYTES)
    assert found.record.sources == {"project": 107, "corpus": 21}


@given(st.lists(st.integers(1, 200), min_size=20, max_size=40), st.integers(0, 3))
def test_files_are_packed_end_to_end_with_one_separator_each(sizes: list[int], seed: int) -> None:
    wanted = recipe(sequences=2, seed=seed)
    try:
        found = collect(text((), documents("corpus", sizes)), wanted, BYTES)
    except BuildError:
        assert sum(min(size, 31) + 1 for size in sizes) < wanted.tokens
        return
    stream = found.tokens.ravel()
    texts = [bytes(group) for is_text, group in itertools.groupby(stream.tolist(), lambda t: t >= 0) if is_text]
    originals = [document.text.encode() for document in documents("corpus", sizes)]
    for found_text, original in zip(texts, originals, strict=False):
        assert found_text in original
        assert len(found_text) <= wanted.sequence_length - 1
    assert (stream == SEPARATOR).sum() >= len(texts) - 1


def test_the_same_inputs_give_the_same_digest_and_another_seed_another() -> None:
    def digest(seed: int) -> str:
        long = documents("corpus", [4000] * 5)
        return collect(text((), long), recipe(seed=seed), BYTES).record.digest

    assert digest(0) == digest(0)
    assert digest(0) != digest(1)


def test_a_stretch_of_a_long_file_starts_at_the_beginning_of_a_line() -> None:
    long = [Document("corpus", f"{n}.py", "".join(f"line {i} of it\n" for i in range(900))) for n in range(30)]
    found = collect(text((), long), recipe(sequences=30), BYTES)
    starts = np.flatnonzero(found.tokens.ravel() == SEPARATOR)[:-1] + 1
    texts = [bytes(found.tokens.ravel()[start : start + 5].tolist()) for start in starts]
    assert set(texts) == {b"line "}
    offsets = {bytes(found.tokens.ravel()[start : start + 12].tolist()) for start in starts}
    assert len(offsets) > 10, "every file was taken from the same place"


def test_too_little_text_says_how_much_there_is_and_what_to_do() -> None:
    with pytest.raises(BuildError, match=r"Only 32 tokens of Java .* of 128 wanted: get more, or .*--tokens 32"):
        collect(text(documents("project", [40]), (), Language.JAVA), recipe(), BYTES)


def test_no_text_at_all_names_no_smaller_set() -> None:
    with pytest.raises(BuildError, match=r"Only 0 tokens of C\+\+ .* wanted: get more\.$"):
        collect(text((), (), Language.CPP), recipe(), BYTES)
