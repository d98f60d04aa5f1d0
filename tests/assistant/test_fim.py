"""FIM tokens and prompts."""

import pytest

from assistant.catalog import FimTokens
from assistant.context.types import Chunk
from assistant.engine.llama import LlamaEngine
from assistant.engine.protocol import ModelInfo, Prompt, Segment, TokenRole
from assistant.errors import EngineError
from assistant.fim import KNOWN_TOKENS, FileName, fim_prompt, fim_prompt_beginning, find_fim_tokens
from tests.engines import ModellessEngine

QWEN = KNOWN_TOKENS[0]
OWN = FimTokens(prefix="<pre>", suffix="<suf>", middle="<mid>")


class VocabularyOnly(ModellessEngine):
    """An engine of which only the special tokens matter here."""

    def __init__(self, *specials: str, declared: dict[TokenRole, str] | None = None) -> None:
        super().__init__(ModelInfo("some-model", "llama", 1, 1, 4096, declared or {}))
        self._specials = specials

    def has_token(self, special: str) -> bool:
        return special in self._specials


def test_the_catalog_goes_first() -> None:
    engine = VocabularyOnly("<pre>", "<suf>", "<mid>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>")
    assert find_fim_tokens(engine, OWN) == OWN


def test_the_files_own_metadata_goes_before_known_names() -> None:
    declared = {TokenRole.FIM_PREFIX: "<pre>", TokenRole.FIM_SUFFIX: "<suf>", TokenRole.FIM_MIDDLE: "<mid>"}
    engine = VocabularyOnly(
        "<pre>", "<suf>", "<mid>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>", declared=declared
    )
    assert find_fim_tokens(engine) == OWN


def test_catalogued_tokens_that_the_model_lacks_are_passed_over() -> None:
    engine = VocabularyOnly("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
    found = find_fim_tokens(engine, OWN)
    assert (found.prefix, found.repo_name, found.order) == ("<fim_prefix>", None, "prefix-first")


def test_a_prompt_that_nothing_follows_has_an_order_of_its_own_where_one_is_given() -> None:
    assert QWEN.once().order == QWEN.order == "suffix-first"
    best = QWEN.model_copy(update={"order_once": "prefix-first"})
    assert best.order == "suffix-first"
    assert fim_prompt(best.once(), "before", "after") == Prompt(
        (
            Segment("<|fim_prefix|>", special=True),
            Segment("before"),
            Segment("<|fim_suffix|>", special=True),
            Segment("after"),
            Segment("<|fim_middle|>", special=True),
        )
    )


@pytest.mark.parametrize("known", KNOWN_TOKENS, ids=lambda known: known.prefix)
def test_known_families_are_found_by_name(known: FimTokens) -> None:
    names = [known.prefix, known.suffix, known.middle, known.repo_name, known.file_separator]
    assert find_fim_tokens(VocabularyOnly(*(name for name in names if name))) == known


def test_half_a_set_is_none_and_models_that_can_are_named() -> None:
    with pytest.raises(
        EngineError, match=r"some-model has no fill-in-the-middle tokens.*qwen2\.5-coder-0\.5b-instruct"
    ):
        find_fim_tokens(VocabularyOnly("<fim_prefix>", "<fim_middle>"))


def test_suffix_first_ends_with_the_text_before_the_cursor_and_is_healed() -> None:
    assert fim_prompt(QWEN, "before", "after") == Prompt(
        (
            Segment("<|fim_prefix|>", special=True),
            Segment("<|fim_suffix|>", special=True),
            Segment("after"),
            Segment("<|fim_middle|>", special=True),
            Segment("before"),
        ),
        healed=True,
    )


@pytest.mark.parametrize("tokens", [*KNOWN_TOKENS, OWN.model_copy(update={"order": "suffix-first"})], ids=repr)
def test_prompts_with_the_same_chunks_begin_alike(tokens: FimTokens) -> None:
    chunks, file = (Chunk("a.py", "x = 1\n"), Chunk("a.py", "y = 2\n"), Chunk("b.py", "z = 3")), FileName("p", "c.py")
    beginning = fim_prompt_beginning(tokens, chunks, file).segments
    for before, after in (("one", "two"), ("", "")):
        segments = fim_prompt(tokens, before, after, chunks, file).segments
        assert segments[: len(beginning)] == beginning
        assert [segment.text for segment in segments[len(beginning) :] if not segment.special] in (
            [before, after],
            [after, before],
        )


def test_prefix_first_ends_with_the_middle_token() -> None:
    prompt = fim_prompt(OWN, "before", "after")
    assert [segment.text for segment in prompt.segments] == ["<pre>", "before", "<suf>", "after", "<mid>"]
    assert not prompt.healed


@pytest.mark.model
def test_the_base_model_has_the_tokens_of_its_family(engine: LlamaEngine) -> None:
    assert find_fim_tokens(engine) == QWEN
