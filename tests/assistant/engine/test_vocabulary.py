"""Text to tokens, with what was seen before remembered."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.engine.llama import LlamaEngine

texts = st.text(max_size=60) | st.sampled_from(["line of code\n" * 200, "<|fim_prefix|>", "\ud800", ""])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=texts)
def test_remembered_tokens_are_those_of_the_text(tiny: LlamaEngine, text: str) -> None:
    vocabulary = tiny._model.vocabulary
    first = vocabulary.tokenize(text)
    assert b"".join(map(vocabulary.piece, first)) == text.encode("utf-8", errors="replace")
    first.append(7)
    assert vocabulary.tokenize(text) == first[:-1]
    assert vocabulary.count(text) == tiny.count_tokens(text) == len(first) - 1


def test_no_more_than_a_bound_is_remembered(tiny: LlamaEngine) -> None:
    vocabulary = tiny._model.vocabulary
    for number in range(3000):
        vocabulary.count(f"value = {number}")
    vocabulary.count("x" * 100_000)
    remembered = vocabulary._remembered.cache_info()
    assert remembered.currsize == remembered.maxsize == 1024
