"""Tokens used again at other positions: found, moved and, in a model of one block, exactly right."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from assistant.engine.cancellation import Cancellation
from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.shifting import LEAST_TOKENS, Block, moved_blocks, moving_order
from tests.assistant.engine.test_cache import GREEDY, StopAfterBatches, cached, generated, logits, plain
from tests.prune import tiny_models

SMALL = LlamaOptions(context=192, batch=16)
# Runs of tokens long enough to be moved, and others too short.
PARTS = [f"{letter} = {letter * (LEAST_TOKENS + 4)}\n" for letter in "abc"] + ["x", "yy\n", "# a comment\n"]
TEXTS = st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map("".join).filter(lambda text: len(text) < 180)


@pytest.fixture(scope="session")
def one_block_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one block: its keys and values depend on a token and its position alone."""
    path = tmp_path_factory.mktemp("models") / "one-block.gguf"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny_models, "BLOCKS", 1)
        return tiny_models.write_tiny_model(path, "llama").path


def test_a_line_dropped_an_insertion_and_both() -> None:
    line, rest = list(range(100, 110)), list(range(200, 240))
    assert moved_blocks([1, *line, *rest, 9], [1, *rest, 9, 8], 1, 1) == [Block(11, 1, 41)]
    assert moved_blocks([1, *rest, 9], [1, *line, *rest, 9, 8], 1, 1) == [Block(1, 11, 41)]
    two = moved_blocks([1, *rest, *line, *range(300, 340)], [1, *line, *rest, *range(300, 340), 8], 1, 1)
    assert two == [Block(1, 11, 40), Block(51, 51, 40)]


def test_short_runs_and_the_last_token_are_evaluated() -> None:
    run = list(range(LEAST_TOKENS))
    assert moved_blocks([90, *run[1:], 91], [*run[1:], 92, 93], 0, 0) == []
    assert moved_blocks([90, *run], run, 0, 0) == []
    assert moved_blocks([90, *run], [*run, 91], 0, 0) == [Block(1, 0, LEAST_TOKENS)]


tokens = st.lists(st.sampled_from([*range(LEAST_TOKENS * 2)]), max_size=20)
run = st.integers(0, 4).map(lambda start: list(range(start, start + LEAST_TOKENS + start)))
prompts = st.lists(tokens | run, max_size=6).map(lambda parts: [token for part in parts for token in part])


@given(cached_tokens=prompts, prompt=prompts)
@example(cached_tokens=list(range(80)) * 2, prompt=list(range(80)) * 2)
def test_blocks_are_equal_long_in_order_and_movable_in_turn(cached_tokens: list[int], prompt: list[int]) -> None:
    blocks = moved_blocks(cached_tokens, prompt, 0, 0)
    source = target = 0
    for block in blocks:
        assert block.length >= LEAST_TOKENS
        assert block.source >= source
        assert block.target >= target
        source, target = block.source + block.length, block.target + block.length
        assert cached_tokens[block.source : source] == prompt[block.target : target]
        assert target < len(prompt)
    where = {block: block.source for block in blocks}
    for block in moving_order(blocks):
        where[block] = block.target
        taken = [place for each, start in where.items() for place in range(start, start + each.length)]
        assert len(taken) == len(set(taken))
    assert all(where[block] == block.target for block in blocks)


def test_only_what_was_inserted_is_evaluated(tiny: LlamaEngine) -> None:
    head, tail = "import os\n", "".join(PARTS[:3])
    generated(tiny, head + tail)
    generation = tiny.generate(plain(head + "import sys\n" + tail), GREEDY, shift=True)
    list(generation)
    usage = generation.usage
    assert usage.prompt_tokens - usage.cached_tokens == len("sys\n") + len("import ") + 1


def test_it_is_not_done_unasked(tiny: LlamaEngine) -> None:
    head, tail = "import os\n", "".join(PARTS[:3])
    generated(tiny, head + tail)
    assert cached(tiny, tail) == 0
    logits(tiny, head + tail, "b")
    logits(tiny, tail, "b", shift=True)
    assert cached(tiny, tail + "x", "c") == 0  # shifted tokens are not taken over where they would not be exact
    logits(tiny, tail + "x", "d", shift=True)
    assert cached(tiny, tail + "x", "d") == 0
    assert cached(tiny, tail + "x", "b") == 0


def test_what_moving_would_save_is_told_before(tiny: LlamaEngine) -> None:
    head, tail = "import os\n", "".join(PARTS[:3])
    tiny.prefill(plain(head + tail), sequence="d")
    inserted = plain(head + "import sys\n" + tail + "x")
    told = tiny.uncached_tokens(inserted, sequence="d", shift=True)
    assert told < tiny.uncached_tokens(inserted, sequence="d") == tiny.uncached_tokens(inserted, shift=True)
    usage = tiny.prefill(inserted, sequence="d", shift=True)
    assert told == usage.prompt_tokens - usage.cached_tokens


def test_a_cell_that_others_use_is_never_moved(tiny: LlamaEngine) -> None:
    chunks = "".join(PARTS[:2])
    before = logits(tiny, chunks + "first", "first")
    logits(tiny, chunks + PARTS[2] + "second", "second")
    moved = tiny.prefill(plain("z" * 40 + chunks + PARTS[2] + "second"), sequence="second", shift=True)
    assert moved.cached_tokens >= len(PARTS[2])
    assert moved.cached_tokens < len(chunks)
    np.testing.assert_allclose(logits(tiny, chunks + "first", "first"), before, atol=0.02)


class Edits(RuleBasedStateMachine):
    """Prompts edited anywhere in several sequences, some cancelled, against a model with nothing cached."""

    path: Path
    always_exact: bool

    def __init__(self) -> None:
        super().__init__()
        self.engine = LlamaEngine(self.path, SMALL)
        self.alone = LlamaEngine(self.path, SMALL)

    @rule(text=TEXTS, name=st.sampled_from("ab"), shift=st.booleans())
    def prefill(self, text: str, name: str, shift: bool) -> None:
        given = logits(self.engine, text, name, shift=shift)
        if self.always_exact or not shift:
            logits(self.alone, "~")
            np.testing.assert_allclose(given, logits(self.alone, text), atol=0.05)

    @rule(text=TEXTS, name=st.sampled_from("ab"), after=st.integers(0, 8), shift=st.booleans())
    def cancel_a_prefill(self, text: str, name: str, after: int, shift: bool) -> None:
        self.engine.prefill(plain(text), StopAfterBatches(after), sequence=name, shift=shift)

    def teardown(self) -> None:
        self.engine.close()
        self.alone.close()


def test_moved_tokens_are_right_in_a_model_of_one_block(one_block_path: Path) -> None:
    Edits.path, Edits.always_exact = one_block_path, True
    run_state_machine_as_test(Edits, settings=settings(deadline=None, max_examples=60, stateful_step_count=15))


def test_moved_tokens_never_get_into_an_exact_prompt(tiny_path: Path) -> None:
    Edits.path, Edits.always_exact = tiny_path, False
    run_state_machine_as_test(Edits, settings=settings(deadline=None, max_examples=30, stateful_step_count=15))


def test_a_cancelled_insertion_can_be_taken_up_again(one_block_path: Path) -> None:
    engine = LlamaEngine(one_block_path, SMALL)
    tail = "".join(PARTS[:3])
    logits(engine, "a" + tail, "d")
    inserted = "a" + "new text, too long for one batch to take it all\n" + tail
    cancel = StopAfterBatches(1)
    assert engine.prefill(plain(inserted), cancel, sequence="d", shift=True).stop_reason == "cancelled"
    again = engine.prefill(plain(inserted), Cancellation(), sequence="d", shift=True)
    assert again.cached_tokens >= len(tail)
    shifted = logits(engine, inserted, "d", shift=True)
    np.testing.assert_allclose(shifted, logits(engine, inserted, "fresh"), atol=0.05)
    engine.close()
