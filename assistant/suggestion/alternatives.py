"""Another suggestion than those that were shown: how it is drawn, and what counts as another."""

from collections.abc import Collection, Iterator

from assistant.engine.protocol import Sampling

ALL_SHOWN = "The model has no other suggestion here than those that were shown."

# Hotter at each try: below 1 a model that is sure of itself says the same again.
_TEMPERATURES = (0.8, 1.2, 1.6, 0.8, 1.2, 1.6)


def draws(shown: int) -> Iterator[Sampling]:
    """How to draw, one try after another, when `shown` suggestions were; the same number gives the same draws."""
    for number, temperature in enumerate(_TEMPERATURES):
        yield Sampling(temperature=temperature, seed=1 + shown * len(_TEMPERATURES) + number)


def is_new(text: str, shown: Collection[str]) -> bool:
    """Whether a suggestion differs from those shown by more than white space, and is no beginning of one."""
    return not any(each.strip().startswith(text.strip()) for each in shown)
