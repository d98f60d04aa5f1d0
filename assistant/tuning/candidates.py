"""What may be tried: a base model as it is, or rounded; or recipes, by steps over what decides size and quality."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from assistant.recipe import DEFAULT_RECIPE, Recipe
from assistant.recipe_files import recipe_called

# From what takes least away.
_MASKS: tuple[Mapping[str, Any], ...] = ({"sparsity": 0.3}, {"sparsity": 0.4}, {"sparsity": 0.5}, {"pattern": "4:8"})
_RECONSTRUCTIONS = ("none", "distillation")
# Of llama.cpp's quantiser, which every base model is an input for.
_ROUNDED = ("Q4_0", "Q3_K_S")
# From what keeps most.
_FORMS: tuple[Mapping[str, Any], ...] = (
    {"values": "int8", "vocabulary": "whole"},
    {"values": "int8", "vocabulary": "trimmed"},
    {"values": "int4", "vocabulary": "whole"},
    {"values": "int4", "vocabulary": "trimmed"},
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may be recommended.

    Attributes:
        base: the base model's name.
        recipe: None for the base model without pruning.
        file_type: of the base model without pruning, rounded by llama.cpp's quantiser; None for it as it is.
    """

    base: str
    recipe: Recipe | None = None
    file_type: str | None = None

    @property
    def label(self) -> str:
        """What it is called: the base and what differs."""
        recipe = self.recipe
        if recipe is None:
            return f"{self.base}, {self.file_type or 'dense'}"
        mask = recipe.pattern if ":" in recipe.pattern else f"{recipe.sparsity:.0%}"
        words = [self.base, mask, "pruned alone" if recipe.reconstruction == "none" else recipe.reconstruction]
        words += [] if recipe.values == Recipe().values else [recipe.values]
        words += [] if recipe.vocabulary == "whole" else [recipe.vocabulary]
        return ", ".join(words)

    @property
    def is_given(self) -> bool:
        """Whether it is a base model as it is, which needs not be made."""
        return self.recipe is None and self.file_type is None

    @property
    def mask(self) -> tuple[str, str, float] | None:
        """What decides which weights survive; None where all do."""
        return None if self.recipe is None else (self.base, self.recipe.pattern, self.recipe.sparsity)


def candidates(bases: Sequence[str]) -> list[Candidate]:
    """All that may be tried of some base models; of each mask and reconstruction, forms from what keeps most."""
    found: list[Candidate] = []
    for base in bases:
        found.append(Candidate(base))
        found += [Candidate(base, file_type=file_type) for file_type in _ROUNDED]
        for mask, reconstruction in product(_MASKS, _RECONSTRUCTIONS):
            found += [Candidate(base, recipe) for recipe in _recipes(mask, reconstruction)]
    return found


def pruned_alone(candidate: Candidate) -> Candidate:
    """The same mask and form without anything done to what survives."""
    assert candidate.recipe is not None
    return dataclasses.replace(
        candidate, recipe=dataclasses.replace(candidate.recipe, reconstruction="none", training_tokens=0)
    )


def _recipes(mask: Mapping[str, Any], reconstruction: str) -> Iterator[Recipe]:
    for form in _FORMS:
        yield recipe_called(DEFAULT_RECIPE, {**mask, **form, "reconstruction": reconstruction})
