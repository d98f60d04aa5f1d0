"""A cache saved and restored: exactly what it was, or not at all."""

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.engine.cache import Saving
from assistant.engine.cache_file import CacheKey, SavedSequence, fingerprint, read_cache_file, write_cache_file
from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.errors import EngineError
from tests.assistant.engine.test_cache import cached, generated, logits
from tests.prune.tiny_models import write_tiny_model

KEY = CacheKey("m")
FIRST, SECOND = "import os\nprint(os.name)\n" * 4, "def f(x):\n\treturn x\n" * 5


@pytest.fixture
def saved(tiny: LlamaEngine, tmp_path: Path) -> Path:
    """A file with two documents' sequences."""
    path = tmp_path / "cache"
    generated(tiny, FIRST, "first")
    generated(tiny, SECOND, "second")
    assert tiny.save_cache(path) >= len(FIRST) + len(SECOND)
    return path


@pytest.fixture
def restarted(tiny_path: Path) -> Iterator[LlamaEngine]:
    """The tiny model in another engine."""
    opened = LlamaEngine(tiny_path, LlamaOptions(context=256, batch=32))
    yield opened
    opened.close()


def test_what_was_saved_need_not_be_evaluated(saved: Path, tiny: LlamaEngine, restarted: LlamaEngine) -> None:
    assert restarted.restore_cache(saved) >= len(FIRST) + len(SECOND)
    assert restarted._model.cache.names == ("first", "second")
    for name, text in (("first", FIRST), ("second", SECOND)):
        assert cached(restarted, text + "x", name) == len(text)
        np.testing.assert_allclose(logits(restarted, text + "x", name), logits(tiny, text + "x", name), atol=0.02)


def test_only_the_owner_may_read_it(saved: Path) -> None:
    assert os.name == "nt" or stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert [path.name for path in saved.parent.iterdir()] == ["cache"]


def test_saving_replaces_what_was_saved(saved: Path, tiny: LlamaEngine, restarted: LlamaEngine) -> None:
    generated(tiny, "something new\n" * 4, "first")
    tiny.save_cache(saved)
    restarted.restore_cache(saved)
    assert cached(restarted, "something new\n" * 4, "first") == len("something new\n" * 4) - 1


def test_shifted_tokens_are_not_saved(tiny: LlamaEngine, restarted: LlamaEngine, tmp_path: Path) -> None:
    generated(tiny, "a = 1\n" + SECOND, "d")
    logits(tiny, "a = 1\nb = 2\n" + SECOND, "d", shift=True)
    tiny.save_cache(tmp_path / "cache")
    restarted.restore_cache(tmp_path / "cache")
    assert cached(restarted, "a = 1\nb = 2\n" + SECOND, "d") == len(
        "a = 1\nb = 2"
    )  # the line end moved with what follows it


def test_an_empty_cache_can_be_saved_and_restored(tiny: LlamaEngine, tmp_path: Path) -> None:
    assert tiny.save_cache(tmp_path / "new folder" / "cache") == 0
    assert tiny.restore_cache(tmp_path / "new folder" / "cache") == 0


def test_the_most_recent_documents_fit_the_bound(tiny: LlamaEngine, tmp_path: Path) -> None:
    for name in "abcd":
        generated(tiny, f"{name} = 1\n" * 10, name)
    path = tmp_path / "cache"
    whole = tiny._model.cache.save(path, KEY, Saving(1 << 20))
    bound = path.stat().st_size // 2
    assert 0 < tiny._model.cache.save(path, KEY, Saving(bound)) < whole
    assert path.stat().st_size <= bound + 2000
    with read_cache_file(path, KEY, 1 << 20) as found:
        assert [sequence.name for sequence, _ in found] == ["d", "c"]


def test_of_the_named_documents_alone(tiny: LlamaEngine, restarted: LlamaEngine, tmp_path: Path) -> None:
    for name in "abcd":
        generated(tiny, f"{name} = 1\n" * 10, name)
    tiny.save_cache(tmp_path / "cache", sequences={"b", "d", "gone"})
    restarted.restore_cache(tmp_path / "cache")
    assert restarted._model.cache.names == ("b", "d")


def test_what_documents_begin_with_is_saved_once(tiny: LlamaEngine, restarted: LlamaEngine, tmp_path: Path) -> None:
    chunks = "def chunk():\n    pass\n" * 6
    prompts = {name: f"{chunks}{name} = {name}\n" for name in ("first", "second", "third")}
    generated(tiny, prompts["first"], "first")
    tiny.save_cache(tmp_path / "one")
    for name, prompt in prompts.items():
        generated(tiny, prompt, name)
    tokens = tiny.save_cache(tmp_path / "three")
    assert tokens >= 3 * len(chunks)
    assert (tmp_path / "three").stat().st_size < (tmp_path / "one").stat().st_size * 1.8
    assert restarted.restore_cache(tmp_path / "three") == tokens
    for name, prompt in prompts.items():
        assert cached(restarted, prompt + "x", name) == cached(tiny, prompt + "x", name) > len(chunks)
        np.testing.assert_allclose(logits(restarted, prompt + "x", name), logits(tiny, prompt + "x", name), atol=0.02)


def test_what_is_cached_stays_and_counts_as_used_later(
    saved: Path, restarted: LlamaEngine, caplog: pytest.LogCaptureFixture
) -> None:
    generated(restarted, "second of this run\n", "second")
    assert restarted.restore_cache(saved) > 0
    assert restarted._model.cache.names == ("first", "second")
    assert cached(restarted, "second of this run\n", "second") == len("second of this run\n") - 1


def test_another_context_is_left_alone(
    tiny: LlamaEngine, restarted: LlamaEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sned.engine")
    generated(tiny, FIRST, "first")
    tiny.save_cache(tmp_path / "cache", context="one")
    assert restarted.restore_cache(tmp_path / "cache", context="other") == 0
    assert "another context" in caplog.text
    assert restarted.restore_cache(tmp_path / "cache", context="one") > 0


def test_saving_that_takes_too_long_is_given_up(saved: Path, tiny: LlamaEngine) -> None:
    before = saved.read_bytes()
    generated(tiny, "something new\n" * 4, "first")
    with pytest.raises(EngineError, match="too long"):
        tiny.save_cache(saved, seconds=-1)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["cache"]


def test_a_damaged_file_is_left_alone(saved: Path, restarted: LlamaEngine, caplog: pytest.LogCaptureFixture) -> None:
    whole = saved.read_bytes()
    caplog.set_level(logging.INFO, "sned.engine")
    for size in [0, 5, 15, 16, 20, 24, 200, len(whole) // 2, len(whole) - 33, len(whole) - 1]:
        saved.write_bytes(whole[:size])
        assert restarted.restore_cache(saved) == 0
    saved.write_bytes(whole + b"x")
    assert restarted.restore_cache(saved) == 0
    assert caplog.text.count("not restoring the cache") == 11
    saved.write_bytes(whole)
    assert restarted.restore_cache(saved) > 0


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_flipped_bit_gets_through(saved: Path, restarted: LlamaEngine, share: float, bit: int) -> None:
    whole = bytearray(saved.read_bytes())
    whole[int(share * len(whole))] ^= 1 << bit
    damaged = saved.with_name("damaged")
    damaged.write_bytes(whole)
    assert restarted.restore_cache(damaged) == 0


def test_missing_and_foreign_files_are_left_alone(
    saved: Path, restarted: LlamaEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sned.engine")
    assert restarted.restore_cache(tmp_path / "missing") == 0
    assert restarted.restore_cache(tmp_path) == 0
    other = LlamaEngine(write_tiny_model(tmp_path / "other.gguf", "qwen2", seed=1).path, LlamaOptions(context=256))
    assert other.restore_cache(saved) == 0
    assert "another model or version wrote it" in caplog.text
    assert cached(other, FIRST, "first") == 0
    other.close()


@pytest.mark.parametrize("state", [b"x", b"\0" * 4000, os.urandom(4000)])
def test_states_that_are_none_are_refused_by_llama_cpp(restarted: LlamaEngine, tmp_path: Path, state: bytes) -> None:
    path = tmp_path / "cache"
    entry = SavedSequence("a", [1, 2, 3], len(state))
    write_cache_file(path, CacheKey(restarted._fingerprint), [entry], iter([memoryview(state)]))
    assert restarted.restore_cache(path) == 0
    assert generated(restarted, "abc", "a")[1].cached_tokens == 0


def test_what_is_more_than_the_cache_holds_is_left_out(saved: Path, tiny: LlamaEngine, tiny_path: Path) -> None:
    generated(tiny, "x = 1\n" * 20, "third")
    whole = tiny.save_cache(saved)
    small = LlamaEngine(tiny_path, LlamaOptions(context=64))  # llama.cpp makes 256 cells of 128
    assert whole > 256 >= small.restore_cache(saved) > 0
    assert generated(small, "abc")[1].completion_tokens > 0
    small.close()


def test_a_folder_that_cannot_be_written_is_named(tiny: LlamaEngine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(EngineError, match=r"cannot be saved to .*file"):
        tiny.save_cache(tmp_path / "file" / "cache")


def test_a_failure_in_the_midst_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    write_cache_file(path, KEY, [SavedSequence("a", [1], 3)], iter([memoryview(b"abc")]))

    def fail() -> memoryview:
        raise OSError(28, "No space left on device")

    with pytest.raises(EngineError, match="No space left"):
        write_cache_file(path, KEY, [SavedSequence("a", [2], 3)], (fail() for _ in range(1)))
    with read_cache_file(path, KEY, 10_000) as found:
        assert list(found) == [(SavedSequence("a", [1], 3), b"abc")]
    assert [each.name for each in tmp_path.iterdir()] == ["cache"]


def test_fingerprints_tell_models_and_versions_apart(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abc"]
    paths[0].write_bytes(b"x" * 5_000_000)
    paths[1].write_bytes(b"x" * 4_999_999 + b"y")
    paths[2].write_bytes(b"x" * 5_000_001)
    assert len({fingerprint(path, version) for path in paths for version in "12"}) == 6
    assert fingerprint(paths[0], "1") == fingerprint(paths[0], "1")
