"""FIM tokens and prompts."""

from collections.abc import Collection
from pathlib import Path

import pytest

from assistant.catalog import FimTokens
from assistant.engine.cancellation import Cancellation
from assistant.engine.llama import LlamaEngine
from assistant.engine.protocol import Generation, ModelInfo, Prompt, Sampling, Segment, TokenRole, Usage
from assistant.errors import EngineError
from assistant.fim import KNOWN_TOKENS, fim_prompt, find_fim_tokens

QWEN = KNOWN_TOKENS[0]
OWN = FimTokens(prefix="<pre>", suffix="<suf>", middle="<mid>")


class VocabularyOnly:
    """An engine of which only the special tokens matter here."""

    def __init__(self, *specials: str, declared: dict[TokenRole, str] | None = None) -> None:
        self._specials = specials
        self.info = ModelInfo("some-model", "llama", 1, 1, 4096, declared or {})

    def has_token(self, special: str) -> bool:
        return special in self._specials

    @property
    def evaluated_tokens(self) -> int:
        return 0

    def count_tokens(self, text: str) -> int:
        return len(text)

    def generate(
        self,
        prompt: Prompt,
        sampling: Sampling,
        cancel: Cancellation | None = None,
        *,
        sequence: str = "",
        shift: bool = False,
    ) -> Generation:
        raise AssertionError("nothing is generated in these tests")

    def prefill(
        self, prompt: Prompt, cancel: Cancellation | None = None, *, sequence: str = "", shift: bool = False
    ) -> Usage:
        raise AssertionError("nothing is evaluated in these tests")

    def uncached_tokens(self, prompt: Prompt, *, sequence: str = "", shift: bool = False) -> int:
        raise AssertionError("nothing is evaluated in these tests")

    def save_cache(
        self,
        path: Path,
        *,
        context: str = "",
        sequences: Collection[str] | None = None,
        seconds: float = float("inf"),
    ) -> int:
        return 0

    def restore_cache(self, path: Path, *, context: str = "") -> int:
        return 0

    def close(self) -> None:
        """Nothing to free."""


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


def test_prefix_first_ends_with_the_middle_token() -> None:
    prompt = fim_prompt(OWN, "before", "after")
    assert [segment.text for segment in prompt.segments] == ["<pre>", "before", "<suf>", "after", "<mid>"]
    assert not prompt.healed


@pytest.mark.model
def test_the_base_model_has_the_tokens_of_its_family(engine: LlamaEngine) -> None:
    assert find_fim_tokens(engine) == QWEN
