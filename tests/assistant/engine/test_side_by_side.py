"""Texts that are written at once, by a tiny model with random weights."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from assistant.engine.cancellation import Cancellation
from assistant.engine.drafting import Draft
from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Prompt, Sampling, Segment, StopReason, Usage, Wanted
from assistant.engine.sampling import Logits
from assistant.errors import EngineError
from tests.assistant.engine.conftest import CONTEXT

PROMPTS = [f"{'def of ' * (number % 5)}number {number}" for number in range(23)]


def wanted(text: str, tokens: int, *, temperature: float = 0.0, seed: int = 0, healed: bool = False) -> Wanted:
    return Wanted(Prompt((Segment(text),), healed=healed), Sampling(tokens, temperature, seed=seed))


# Lengths differ, so that texts end at different times and others take their places.
GREEDY = [wanted(prompt, 5 + 7 * (number % 4)) for number, prompt in enumerate(PROMPTS)]


@pytest.fixture
def three(tiny_path: Path) -> Iterator[LlamaEngine]:
    """The tiny model, which writes three texts at once."""
    opened = LlamaEngine(tiny_path, LlamaOptions(context=CONTEXT, batch=32, side_by_side=3))
    yield opened
    opened.close()


def alone(engine: LlamaEngine, each: Wanted) -> tuple[str, Usage]:
    engine.prefill(Prompt((Segment("\n"),)))
    generation = engine.generate(each.prompt, each.sampling)
    return "".join(generation), generation.usage


@pytest.mark.parametrize(
    "texts",
    [
        GREEDY,
        [wanted(each, 12, temperature=0.1, seed=seed) for seed, each in enumerate(PROMPTS)],
        [wanted(f"{each}  ", 9, healed=True) for each in PROMPTS],
        GREEDY[:1],
        GREEDY[:2],
    ],
    ids=["greedy", "sampled", "healed", "one", "fewer than at once"],
)
def test_texts_are_those_written_alone(three: LlamaEngine, texts: list[Wanted]) -> None:
    found = {each.number: each for each in three.write_side_by_side(texts)}
    for number, each in enumerate(texts):
        text, usage = alone(three, each)
        assert found[number].text == text
        for counted in ("prompt_tokens", "completion_tokens", "decode_steps", "stop_reason"):
            assert getattr(found[number].usage, counted) == getattr(usage, counted)


@pytest.mark.model
def test_what_a_text_becomes_does_not_depend_on_the_others(
    engine: LlamaEngine, base_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither on their order nor on how many there are: the logits are the same to the last digit."""
    chosen = Draft.choose
    seen: dict[Draft, list[bytes]] = defaultdict(list)

    def recorded(draft: Draft, logits: Logits) -> str:
        seen[draft].append(logits.tobytes())
        return chosen(draft, logits)

    def logits_of(engine: LlamaEngine, texts: list[Wanted]) -> list[list[bytes]]:
        seen.clear()
        order = {each.number: None for each in engine.write_side_by_side(texts)}
        assert len(order) == len(texts)
        return list(seen.values())  # drafts are begun in the texts' order

    monkeypatch.setattr(Draft, "choose", recorded)
    texts = [wanted(prompt, 2 + 3 * (number % 2)) for number, prompt in enumerate(PROMPTS[:11])]
    found = logits_of(engine, texts)
    assert logits_of(engine, texts[::-1]) == found[::-1]
    assert logits_of(engine, texts[3:4]) == found[3:4]
    with closing(LlamaEngine(base_model, LlamaOptions(context=2048, side_by_side=8))) as narrower:
        assert logits_of(narrower, texts) == found


def test_no_text_is_one_too_few(three: LlamaEngine) -> None:
    assert list(three.write_side_by_side([])) == []


def test_a_text_ends_when_it_is_enough_and_the_others_go_on(three: LlamaEngine) -> None:
    whole = [alone(three, each)[0] for each in GREEDY]
    cut = next(number for number, text in enumerate(whole) if len(text) > 4)
    texts = [
        Wanted(each.prompt, each.sampling, (lambda text: len(text) > 2) if number == cut else lambda text: False)
        for number, each in enumerate(GREEDY)
    ]
    found = {each.number: each for each in three.write_side_by_side(texts)}
    assert found[cut].usage.stop_reason is StopReason.CALLER
    assert whole[cut].startswith(found[cut].text)
    assert 2 < len(found[cut].text) < len(whole[cut])
    assert [each.text for number, each in sorted(found.items()) if number != cut] == [
        text for number, text in enumerate(whole) if number != cut
    ]


def test_tokens_are_counted(three: LlamaEngine) -> None:
    before = three.evaluated_tokens
    usages = [each.usage for each in three.write_side_by_side(GREEDY)]
    assert three.evaluated_tokens - before == sum(usage.prompt_tokens + usage.decode_steps for usage in usages)


def test_it_ends_when_it_is_cancelled(three: LlamaEngine) -> None:
    cancel, ended = Cancellation(), 0
    for _ in three.write_side_by_side(GREEDY, cancel):
        ended += 1
        cancel.set()
    assert 1 <= ended < len(GREEDY)


def test_a_context_that_is_full_ends_a_text(three: LlamaEngine) -> None:
    found = list(three.write_side_by_side([wanted("x" * (CONTEXT - 9), 4 * CONTEXT)]))
    assert found[0].usage.stop_reason is StopReason.CONTEXT_FULL
    assert found[0].usage.completion_tokens == 10


def test_what_cannot_be_continued_is_refused_before_anything_is_written(three: LlamaEngine) -> None:
    before = three.evaluated_tokens
    with pytest.raises(EngineError, match="shorten it"):
        three.write_side_by_side([*GREEDY, wanted("x" * CONTEXT, 4)])
    assert three.evaluated_tokens == before


def test_a_model_that_is_closed_meanwhile_is_an_error(tiny_path: Path) -> None:
    engine = LlamaEngine(tiny_path, LlamaOptions(context=CONTEXT, batch=32, side_by_side=3))
    texts = engine.write_side_by_side(GREEDY)
    next(texts)
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        list(texts)
