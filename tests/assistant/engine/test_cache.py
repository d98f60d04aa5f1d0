"""The KV cache of several documents: what is kept, what is shared, and that it never changes what comes out."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from assistant.engine.cache import Prefill
from assistant.engine.cancellation import Cancellation
from assistant.engine.evaluation import batch_sizes
from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Prompt, Sampling, Segment, StopReason, Usage
from assistant.errors import EngineError
from tests.assistant.engine.conftest import CONTEXT
from tests.prune.tiny_models import write_tiny_model

GREEDY = Sampling(max_tokens=6)
CHUNKS = "def read(path):\n\treturn open(path).read()\n" * 2


def plain(text: str) -> Prompt:
    return Prompt((Segment(text),))


def generated(engine: LlamaEngine, text: str, sequence: str = "") -> tuple[str, Usage]:
    generation = engine.generate(plain(text), GREEDY, sequence=sequence)
    return "".join(generation), generation.usage


def cached(engine: LlamaEngine, text: str, sequence: str = "") -> int:
    """Tokens of a prompt that need no evaluation, by asking with a cancellation that is set."""
    cancel = Cancellation()
    cancel.set()
    generation = engine.generate(plain(text), GREEDY, cancel, sequence=sequence)
    assert list(generation) == []
    return generation.usage.cached_tokens


def test_documents_keep_their_prompts_beside_each_other(tiny: LlamaEngine) -> None:
    first, second = "a = 1\n" * 20, "import os\n" * 10
    generated(tiny, first, "first")
    generated(tiny, second, "second")
    assert generated(tiny, first + "b", "first")[1].cached_tokens >= len(first)
    assert generated(tiny, second + "x", "second")[1].cached_tokens >= len(second)


def test_a_new_document_begins_with_what_another_shares(tiny: LlamaEngine) -> None:
    generated(tiny, CHUNKS + "first", "first")
    assert generated(tiny, CHUNKS + "second", "second")[1].cached_tokens == len(CHUNKS)
    generated(tiny, "nothing alike", "second")
    generated(tiny, "not at all", "first")
    assert generated(tiny, CHUNKS + "second", "third")[1].cached_tokens == 0


def test_shared_beginnings_are_held_once(tiny: LlamaEngine) -> None:
    chunks = CHUNKS * 2
    documents = [f"{chunks}{number}" for number in range(12)]
    assert len(chunks) * len(documents) > 4 * CONTEXT  # were they copied, most would have been forgotten
    for number, text in enumerate(documents):
        generated(tiny, text, str(number))
    assert [cached(tiny, text + "x", str(number)) >= len(text) for number, text in enumerate(documents)] == [True] * 12


def test_the_least_recently_used_document_makes_room(tiny: LlamaEngine) -> None:
    texts = {name: f"{name} = 1\n" * 20 for name in "abcdef"}
    for name, text in texts.items():
        generated(tiny, text, name)
        generated(tiny, texts["a"], "a")
    known = {name: cached(tiny, text, name) == len(text) - 1 for name, text in texts.items()}
    assert known["a"]
    assert known["f"]
    assert not known["b"]


def test_more_documents_than_sequences_forget_the_oldest(tiny: LlamaEngine) -> None:
    for number in range(40):
        generated(tiny, f"{number} here\n", str(number))
    assert cached(tiny, "39 here\n", "39") == len("39 here\n") - 1
    assert cached(tiny, "0 here\n", "0") <= 1


def test_one_document_may_fill_the_context(tiny: LlamaEngine) -> None:
    for name in "abc":
        generated(tiny, f"{name} = 1\n" * 30, name)
    generation = tiny.generate(plain("x" * (CONTEXT - 10)), Sampling(max_tokens=1000), sequence="d")
    list(generation)
    assert generation.usage.stop_reason in (StopReason.CONTEXT_FULL, StopReason.END_TOKEN)


def test_prefill_leaves_nothing_to_evaluate_but_the_last_token(tiny: LlamaEngine) -> None:
    text = "while True:\n\tpass\n" * 4
    usage = tiny.prefill(plain(text), sequence="a")
    assert (usage.prompt_tokens, usage.cached_tokens, usage.decode_steps) == (len(text), 0, 0)
    assert usage.prefill_seconds > 0
    assert usage.stop_reason is StopReason.CALLER
    assert generated(tiny, text, "a")[1].cached_tokens == len(text) - 1


def test_a_cancelled_prefill_says_so(tiny: LlamaEngine) -> None:
    cancel = Cancellation()
    cancel.set()
    assert tiny.prefill(plain("abc"), cancel).stop_reason is StopReason.CANCELLED
    with pytest.raises(EngineError, match="empty"):
        tiny.prefill(plain(""))
    running = tiny.generate(plain("abc"), GREEDY)
    next(iter(running))
    assert tiny.prefill(plain("abc"), cancel).stop_reason is StopReason.CANCELLED
    running.close()


@pytest.mark.model
def test_a_prefill_that_is_cancelled_again_and_again_gets_to_its_end(engine: LlamaEngine) -> None:
    prompt = plain("".join(f"value_{n} = function_{n}({n})\n" for n in range(25)))
    done = []
    for _ in range(100):
        cancel = StopAfterBatches(2)
        usage = engine.prefill(prompt, cancel, sequence="again and again")
        done.append(usage.cached_tokens)
        if usage.stop_reason is not StopReason.CANCELLED:
            break
    assert len(done) > 2
    assert usage.stop_reason is StopReason.CALLER
    assert done == sorted(set(done))


class StopAfterBatches(Cancellation):
    """Set once it has been asked so often: a keystroke that always comes in the midst of a prefill."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._left = count

    def is_set(self) -> bool:
        self._left -= 1
        if self._left < 0:
            self.set()
        return super().is_set()


@pytest.mark.parametrize(
    ("tokens", "largest", "sizes"),
    [
        (0, 64, []),
        (1, 64, [1]),
        (64, 64, [64]),
        (65, 64, [16, 32, 17]),
        (300, 64, [16, 32, 64, 64, 64, 60]),
        (9, 7, [7, 2]),
    ],
)
def test_long_prefills_begin_with_small_batches(tokens: int, largest: int, sizes: list[int]) -> None:
    assert list(batch_sizes(tokens, largest)) == sizes


def logits(engine: LlamaEngine, text: str, sequence: str = "", *, shift: bool = False) -> npt.NDArray[np.float32]:
    """What the model gives after `text`."""
    request = Prefill(engine._model.vocabulary.tokenize(text), sequence, shift)
    filled = engine._model.cache.prefill(request, Cancellation())
    assert filled.logits is not None
    assert filled.sequence.tokens == request.tokens
    return filled.logits.copy()


class Documents(RuleBasedStateMachine):
    """Prompts that share parts, in several sequences, some cancelled: what comes out is that of an empty cache.

    To within what half-precision keys leave open, 0.002 of logits up to 3; another token anywhere makes 0.1 and more.
    """

    path: Path

    def __init__(self) -> None:
        super().__init__()
        self.engine = LlamaEngine(self.path, LlamaOptions(context=128, batch=16))
        self.alone = LlamaEngine(self.path, LlamaOptions(context=128, batch=16))

    @rule(
        parts=st.lists(
            st.sampled_from(["def f():\n", "    return 1\n", "x", "\n# a longer comment\n"]), min_size=1, max_size=6
        ),
        name=st.sampled_from([*"abcdefgh"]),
    )
    def generate(self, parts: list[str], name: str) -> None:
        text = "".join(parts)
        logits(self.alone, "~")
        np.testing.assert_allclose(logits(self.engine, text, name), logits(self.alone, text), atol=0.02)

    @rule(
        text=st.sampled_from(["def f():\n" * 12, "    return 1\n" * 9]),
        name=st.sampled_from("ab"),
        after=st.integers(0, 6),
    )
    def cancel_a_prefill(self, text: str, name: str, after: int) -> None:
        self.engine.prefill(plain(text), StopAfterBatches(after), sequence=name)

    def teardown(self) -> None:
        self.engine.close()
        self.alone.close()


@pytest.fixture(scope="module", params=["qwen2", "llama"])
def path_of_each(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield write_tiny_model(tmp_path_factory.mktemp("each") / "tiny.gguf", request.param).path


def test_what_is_cached_never_shows(path_of_each: Path) -> None:
    Documents.path = path_of_each
    run_state_machine_as_test(Documents, settings=settings(deadline=None, max_examples=25, stateful_step_count=20))
