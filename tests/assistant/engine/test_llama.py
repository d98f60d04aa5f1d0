"""The llama.cpp engine with the real base model."""

import threading
from contextlib import closing
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import pytest

from assistant.engine.cancellation import Cancellation
from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Prompt, Sampling, Segment, StopReason, TokenRole
from assistant.errors import EngineError

pytestmark = pytest.mark.model

GREEDY = Sampling(max_tokens=12)


def plain(text: str, *, healed: bool = False) -> Prompt:
    return Prompt((Segment(text),), healed=healed)


def infill(before: str, after: str, *, healed: bool = True) -> Prompt:
    return Prompt(
        (
            Segment("<|fim_prefix|>", special=True),
            Segment("<|fim_suffix|>", special=True),
            Segment(after),
            Segment("<|fim_middle|>", special=True),
            Segment(before),
        ),
        healed=healed,
    )


def written(engine: LlamaEngine, prompt: Prompt, sampling: Sampling = GREEDY) -> str:
    return "".join(engine.generate(prompt, sampling))


def test_info_tells_of_the_model(engine: LlamaEngine, base_model: Path) -> None:
    assert engine.info.architecture == "qwen2"
    assert engine.info.file_bytes == base_model.stat().st_size
    assert engine.info.context == 2048
    assert engine.info.special_tokens[TokenRole.FIM_MIDDLE] == "<|fim_middle|>"


def test_it_completes_code(engine: LlamaEngine) -> None:
    assert written(engine, infill("def add(a, b):\n    return ", "\n\n\nprint(add(1, 2))\n")).startswith("a + b")


def test_greedy_text_does_not_depend_on_what_is_cached(engine: LlamaEngine) -> None:
    prompt = plain("import os\n\n\ndef file_names(folder):\n")
    first = written(engine, prompt)
    written(engine, plain("Something else."))
    assert written(engine, prompt) == first
    assert written(engine, prompt) == first


def test_only_new_tokens_are_evaluated(engine: LlamaEngine) -> None:
    text = "def total(numbers):\n    result = 0\n    for number in numbers:\n"
    written(engine, plain(text))
    generation = engine.generate(plain(text + "        result"), GREEDY)
    list(generation)
    usage = generation.usage
    assert usage.cached_tokens >= engine.count_tokens(text) - 1
    assert 0 < usage.prompt_tokens - usage.cached_tokens <= 4


def test_what_a_prompt_would_cost_is_what_it_costs(engine: LlamaEngine) -> None:
    before, after = "def perimeter(width, height):\n    return 2 * (", "\n\n\nprint(perimeter(1, 2))\n"
    told, evaluated = engine.uncached_tokens(infill(before, after)), engine.evaluated_tokens
    usage = engine.prefill(infill(before, after))
    assert told == usage.prompt_tokens - usage.cached_tokens == engine.evaluated_tokens - evaluated > 20
    assert engine.uncached_tokens(infill(before, after)) == 1
    told = engine.uncached_tokens(infill(before + "width + ", after))
    usage = engine.prefill(infill(before + "width + ", after))
    assert told == usage.prompt_tokens - usage.cached_tokens < 5


def test_a_suffix_that_changes_keeps_only_what_is_before_it(engine: LlamaEngine) -> None:
    written(engine, infill("x = ", "\nprint(x)\n"))
    generation = engine.generate(infill("x = ", "\nreturn x\n"), GREEDY)
    list(generation)
    assert generation.usage.cached_tokens == 3  # both special tokens and the line end


def test_sampling_is_reproducible_and_follows_the_seed(engine: LlamaEngine) -> None:
    prompt = plain("The names of the children were")
    hot = Sampling(max_tokens=16, temperature=1.5, seed=1)
    assert written(engine, prompt, hot) == written(engine, prompt, hot)
    texts = {written(engine, prompt, replace(hot, seed=seed)) for seed in range(4)}
    assert len(texts) > 1


def test_a_healed_prompt_goes_on_inside_a_token(engine: LlamaEngine) -> None:
    before = "def square(number):\n    ret"
    text = written(engine, infill(before, "\n"), Sampling(max_tokens=8))
    assert (before + text).startswith("def square(number):\n    return number")


@pytest.mark.parametrize(
    "before", ["", "    ", "\n\n    ", "x = '\N{GRINNING FACE}", "<|fim_prefix|>", "é", "\ufeffx = "]
)
def test_a_healed_prompt_gives_only_new_text(engine: LlamaEngine, before: str) -> None:
    generation = engine.generate(infill(before, "\n"), Sampling(max_tokens=6))
    text = "".join(generation)
    assert "\ufffd" not in text
    assert "<|fim" not in text
    assert generation.usage.stop_reason in (StopReason.LIMIT, StopReason.END_TOKEN)


def test_text_that_spells_a_special_token_is_text(engine: LlamaEngine) -> None:
    assert engine.count_tokens("<|fim_prefix|>") > 1
    generation = engine.generate(plain("<|endoftext|>"), Sampling(max_tokens=1))
    list(generation)
    assert generation.usage.prompt_tokens == engine.count_tokens("<|endoftext|>")


def test_special_tokens_are_known_by_name(engine: LlamaEngine) -> None:
    assert engine.has_token("<|fim_middle|>")
    assert not engine.has_token("<fim_middle>")
    assert not engine.has_token("return")
    assert not engine.has_token("")


def test_characters_are_never_cut(engine: LlamaEngine) -> None:
    pieces = list(engine.generate(plain("Repeat: 😀🎉🚀 😀🎉🚀 😀🎉🚀 😀"), Sampling(max_tokens=12)))
    assert "🎉" in "".join(pieces)
    assert all("\ufffd" not in piece for piece in pieces)


def test_it_stops_at_the_limit_and_at_the_end(engine: LlamaEngine) -> None:
    generation = engine.generate(plain("1 2 3 4 5 6 7"), Sampling(max_tokens=5))
    list(generation)
    assert (generation.usage.completion_tokens, generation.usage.stop_reason) == (5, StopReason.LIMIT)
    ending = engine.generate(infill("def add(a, b):\n    return a +", "\n"), Sampling(max_tokens=64))
    assert "<|" not in "".join(ending)


def test_closing_early_leaves_the_engine_usable(engine: LlamaEngine) -> None:
    generation = engine.generate(plain("1 2 3 4"), Sampling(max_tokens=500))
    with closing(generation):
        next(iter(generation))
    assert generation.usage.stop_reason is StopReason.CALLER
    assert written(engine, infill("def add(a, b):\n    return ", "\n")).startswith("a + b")


def test_cancelling_stops_prefill_and_keeps_the_cache_right(engine: LlamaEngine) -> None:
    prompt = infill("def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n")
    right = written(engine, prompt)
    long = plain(" ".join(f"number_{n} = {n}" for n in range(180)))
    cancel = Cancellation()
    timer = threading.Timer(0.3, cancel.set)
    timer.start()
    generation = engine.generate(long, GREEDY, cancel)
    assert list(generation) == []
    timer.join()
    assert generation.usage.stop_reason is StopReason.CANCELLED
    assert written(engine, prompt) == right
    whole = engine.generate(long, Sampling(max_tokens=1))
    list(whole)
    assert whole.usage.stop_reason is StopReason.LIMIT


def test_cancelling_stops_decoding(engine: LlamaEngine) -> None:
    cancel = Cancellation()
    pieces = []
    generation = engine.generate(plain("Count: 1 2 3 4 5"), Sampling(max_tokens=1000), cancel)
    for piece in generation:
        pieces.append(piece)
        if len(pieces) == 3:
            cancel.set()
    assert len(pieces) == 3
    assert generation.usage.stop_reason is StopReason.CANCELLED


COUNTING, LETTERS = plain("Count: 1 2 3 4"), plain("Letters: a b c d")


@pytest.mark.parametrize("sequences", [("one", "other"), ("same", "same")])
def test_generations_that_take_turns_write_what_they_write_alone(
    engine: LlamaEngine, sequences: tuple[str, str]
) -> None:
    alone = written(engine, COUNTING), written(engine, LETTERS)
    assert alone[0] != alone[1]
    first, second = (
        engine.generate(prompt, GREEDY, sequence=sequence)
        for prompt, sequence in zip((COUNTING, LETTERS), sequences, strict=True)
    )
    pieces = list(zip_longest(first, second, fillvalue=""))
    assert ("".join(one for one, _ in pieces), "".join(other for _, other in pieces)) == alone
    assert first.usage.completion_tokens == second.usage.completion_tokens == GREEDY.max_tokens


def test_a_generation_goes_on_after_others_have_taken_its_room(base_model: Path) -> None:
    with closing(LlamaEngine(base_model, LlamaOptions(context=256))) as small:
        alone = written(small, COUNTING)
        generation = small.generate(COUNTING, GREEDY, sequence="one")
        text = next(iter(generation))
        for number in range(4):  # 4 x 200 tokens, where 512 have room
            small.prefill(plain(f"{number}" + " word" * 200), sequence=f"other {number}")
        assert text + "".join(generation) == alone


def test_a_generation_between_two_pieces_of_another_is_not_stopped_with_it(engine: LlamaEngine) -> None:
    cancel = Cancellation()
    outer = engine.generate(COUNTING, GREEDY, cancel, sequence="one")
    next(iter(outer))
    inner = engine.generate(LETTERS, GREEDY, sequence="other")
    next(iter(inner))
    cancel.set()
    assert list(inner)
    assert list(outer) == []
    assert (inner.usage.stop_reason, outer.usage.stop_reason) == (StopReason.LIMIT, StopReason.CANCELLED)


def test_waiting_for_an_evaluation_can_be_cancelled(engine: LlamaEngine) -> None:
    busy, cancel = Cancellation(), Cancellation()
    long = plain(" ".join(f"item_{n} = {n}" for n in range(150)))
    reading = threading.Thread(target=lambda: engine.prefill(long, busy))
    reading.start()
    cancel.set()
    second = engine.generate(plain("a b c"), GREEDY, cancel)
    assert list(second) == []
    assert second.usage.stop_reason is StopReason.CANCELLED
    busy.set()
    reading.join(60)


def test_a_prompt_longer_than_the_context_is_refused(engine: LlamaEngine) -> None:
    with pytest.raises(EngineError, match=r"context 2048"):
        engine.generate(plain("word " * 3000), GREEDY)


def test_an_unknown_special_token_is_refused(engine: LlamaEngine) -> None:
    with pytest.raises(EngineError, match="<nonsense>"):
        engine.generate(Prompt((Segment("<nonsense>", special=True),)), GREEDY)


def test_an_empty_prompt_is_refused(engine: LlamaEngine) -> None:
    with pytest.raises(EngineError, match="empty"):
        engine.generate(plain(""), GREEDY)


def test_a_full_context_ends_the_text(base_model: Path) -> None:
    small = LlamaEngine(base_model, LlamaOptions(context=256))
    generation = small.generate(plain("1 2 3 4 5 6 7 8 9 10 " * 9), Sampling(max_tokens=1000))
    list(generation)
    usage = generation.usage
    small.close()
    assert usage.stop_reason is StopReason.CONTEXT_FULL
    assert usage.prompt_tokens + usage.completion_tokens == 257


def test_a_generation_whose_engine_was_closed_says_so(base_model: Path) -> None:
    engine = LlamaEngine(base_model, LlamaOptions(context=256))
    generation = engine.generate(COUNTING, GREEDY)
    next(iter(generation))
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        next(iter(generation))


def test_a_closed_engine_says_so(base_model: Path) -> None:
    engine = LlamaEngine(base_model, LlamaOptions(context=256))
    waiting = engine.generate(plain("a"), GREEDY)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        list(waiting)
    with pytest.raises(EngineError, match="closed"):
        engine.generate(plain("a"), GREEDY)


def test_batches_give_the_same_line_as_one(base_model: Path, engine: LlamaEngine) -> None:
    prompt = infill("import os\n\n\ndef size(path):\n    return ", "\n\n\nprint(size('a'))\n")
    small = LlamaEngine(base_model, LlamaOptions(context=512, batch=7))
    text = written(small, prompt)
    small.close()
    # Products of other sizes are rounded otherwise: what no rounding can change is what the model is sure of.
    line, _, _ = text.partition("\n")
    assert line == "os.path.getsize(path)"
    assert written(engine, prompt).startswith(f"{line}\n")
