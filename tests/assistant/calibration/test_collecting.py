"""The calibration set: shares and forms, packing without padding, what is left out, what to do when text is short."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.calibration import CalibrationSet, CalibrationText, collect, supply
from assistant.calibration_mix import CalibrationMix
from assistant.corpus import Document
from assistant.engine.protocol import ModelInfo
from assistant.engine.tokenizer import Tokenizer
from assistant.errors import BuildError
from assistant.languages import Language
from assistant.recipe import Recipe

SEPARATOR = -1
BYTES = Tokenizer(tokenize=lambda text: list(text.encode()), separator=SEPARATOR)

_NAMES = (
    "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|im_start|>", "<|im_end|>", "<|repo_name|>", "<|file_sep|>",
)  # fmt: skip
FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE, TURN, END_OF_TURN, *_ = SPECIALS = range(-9, -2)
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)
QWEN = dataclasses.replace(
    BYTES,
    special=lambda name: SPECIALS[_NAMES.index(name)] if name in _NAMES else None,
    info=ModelInfo("qwen", "qwen2", 1, 1, 1, {}, chat_template=TEMPLATE, eos_token="<|im_end|>"),
)


def documents(origin: str, sizes: list[int]) -> Iterator[Document]:
    """Documents of these many characters, no two of which say the same."""
    for number, size in enumerate(sizes):
        lines = "".join(f"x{number} = {origin}{line}\n" for line in range(size))
        yield Document(origin, f"{number}.py", f"# {origin}{number}\n{lines}"[:size])


def text(
    project: Iterable[Document], corpus: Iterable[Document], language: Language = Language.PYTHON
) -> CalibrationText:
    return CalibrationText(language, project, corpus, advice="get more")


def recipe(sequences: int = 4, length: int = 32, share: float = 0.5, seed: int = 0) -> Recipe:
    mix = CalibrationMix(project_share=share)
    return Recipe(tokens=sequences * length, sequence_length=length, seed=seed, **dataclasses.asdict(mix))


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


@given(st.lists(st.integers(12, 200), min_size=20, max_size=40), st.integers(0, 3))
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
    long = [Document("corpus", f"{n}.py", "".join(f"line {i} of {n}\n" for i in range(900))) for n in range(30)]
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


def functions(number: int) -> Document:
    """A file of several functions that no other has, each of them documented."""
    code = "".join(
        f"def f{number}_{n}(a{number}, b{n}):\n"
        f'    """Give file{number} to the reader{n} of it, in words{number}."""\n'
        f"    c{n} = a{number} * {n}\n"
        f"    return c{n} + b{n}\n\n\n"
        for n in range(6)
    )
    return Document("corpus", f"m{number}.py", code)


MIXED = CalibrationMix(project_share=0.0, other_share=0.25, chat_share=0.25, fim_share=0.5)


def mixed(mix: CalibrationMix = MIXED, tokenizer: Tokenizer = QWEN, seed: int = 0) -> CalibrationSet:
    """A set of 16 sequences of 1024 bytes in a mix."""
    others = (
        Document("others", f"{n}.js", f"function other{n}(a) {{ return a{n} * other{n}; }}\n" * 9) for n in range(99)
    )
    sources = CalibrationText(Language.PYTHON, (), map(functions, range(200)), "get more", others)
    return collect(
        sources, Recipe(tokens=1 << 14, sequence_length=1024, seed=seed, **dataclasses.asdict(mix)), tokenizer
    )


def test_each_kind_and_form_has_its_share() -> None:
    found = mixed()
    total = found.tokens.size
    assert found.record.sources["others"] == total // 4
    assert found.record.forms["chat"] == pytest.approx(total / 4, abs=1024)
    code = total - found.record.forms["chat"]
    assert found.record.forms["fim"] == pytest.approx(code / 2, abs=1024)
    assert sum(found.record.forms.values()) == sum(found.record.sources.values()) == total == 1 << 14


def test_what_is_filled_in_stands_in_the_order_that_is_served() -> None:
    sequences = mixed().tokens
    examples = 0
    for sequence in sequences.tolist():
        example = sequence
        while FIM_PREFIX in example:
            example = example[example.index(FIM_PREFIX) :]
            end = example.index(SEPARATOR)  # in the sequence that it begins in
            assert example[1] == FIM_SUFFIX
            middle = example.index(FIM_MIDDLE)
            assert middle < end
            # Suffix first: what is after the cursor, then what is before it and goes on with what is filled in.
            after, before = bytes(example[2:middle]), bytes(example[middle + 1 : end])
            assert before
            documents = [*(functions(n).text for n in range(200)), *(f"other{n}" for n in range(99))]
            assert any((before + after).decode() in text or text in (before + after).decode() for text in documents)
            example = example[end:]
            examples += 1
    assert examples > 5


def test_conversations_are_whole_and_about_functions_of_the_corpus() -> None:
    conversations = 0
    for sequence in mixed().tokens.tolist():
        turns = [bytes(turn).decode() for turn in _turns(sequence)]
        assert len(turns) % 3 == 0
        for system, user, answer in zip(turns[::3], turns[1::3], turns[2::3], strict=True):
            conversations += 1
            assert system.startswith("system\n")
            assert user.startswith(("user\nWrite this function in Python.", "user\nExplain this code."))
            explained = "Explain" in user
            assert ("Give file" in answer) is explained
            assert ("return c" in answer) is not explained
    assert conversations > 5


def _turns(sequence: list[int]) -> Iterator[list[int]]:
    while TURN in sequence:
        sequence = sequence[sequence.index(TURN) + 1 :]
        yield sequence[: sequence.index(END_OF_TURN)]


def test_a_mix_gives_the_same_tokens_on_every_run_and_others_with_another_seed() -> None:
    assert mixed().record == mixed().record
    assert mixed().record.digest != mixed(seed=1).record.digest


def test_where_no_function_is_documented_the_corpus_has_the_share_of_conversations() -> None:
    sources = text((), documents("corpus", [400] * 99))
    found = collect(sources, Recipe(tokens=8192, chat_share=0.5), QWEN)
    assert found.record.forms == {"plain": 8192}


def test_infilling_for_a_model_that_does_not_know_it_is_refused_with_the_way_out() -> None:
    with pytest.raises(BuildError, match=r"fill-in-the-middle.*set the FIM share to 0"):
        mixed(CalibrationMix(fim_share=0.5), tokenizer=BYTES)


def test_without_a_chat_template_the_corpus_has_the_share_of_conversations() -> None:
    assert mixed(CalibrationMix(0.0, chat_share=0.5), tokenizer=BYTES).record.forms == {"plain": 1 << 14}


def test_near_copies_are_taken_once() -> None:
    original = functions(1)
    copies = [Document("corpus", f"{n}.py", original.text + f"# copy {n}\n") for n in range(9)]
    with pytest.raises(BuildError, match=r"Only \d{2,3} tokens"):
        collect(text((), [original, *copies]), recipe(sequences=60), BYTES)


def test_evaluation_problems_are_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supply, "has_evaluation_problem", lambda text: "file7 " in text)
    found = mixed()
    assert found.record.refused == ["corpus: m7.py"]
    assert b"file7 " not in found.tokens.clip(0, 255).astype(np.uint8).tobytes()
    with pytest.raises(BuildError, match=r"Left out, as they hold problems of evaluation sets: corpus: m7\.py\.$"):
        collect(text((), [functions(7)]), recipe(), BYTES)
