"""Near copies of texts."""

from hypothesis import given
from hypothesis import strategies as st

from assistant.calibration.near_duplicates import SeenTexts

TEXT = "\n".join(f"value{n} = compute({n}, other{n % 7})" for n in range(200))


def test_a_copy_with_a_few_lines_changed_is_not_new() -> None:
    seen = SeenTexts()
    assert seen.is_new(TEXT)
    assert not seen.is_new(TEXT)
    assert not seen.is_new(TEXT.replace("value7 =", "renamed =").replace("compute(9,", "calculate(9,"))
    assert not seen.is_new("    " + TEXT.replace("\n", "\n    "))


def test_half_of_a_text_and_other_texts_are_new() -> None:
    seen = SeenTexts()
    assert seen.is_new(TEXT)
    assert seen.is_new("\n".join(TEXT.split("\n")[:100]))
    assert seen.is_new(TEXT.replace("value", "price").replace("other", "rate").replace("compute", "cost"))


@given(st.lists(st.text(max_size=60), max_size=6))
def test_each_text_is_new_at_most_once(texts: list[str]) -> None:
    seen = SeenTexts()
    for text in texts:
        seen.is_new(text)
    assert not any(map(seen.is_new, texts))
