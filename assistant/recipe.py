"""How a sub-model is made, as data."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from assistant.calibration_mix import CalibrationMix
from assistant.errors import UsageError
from prune.patterns import UNSTRUCTURED, parse_pattern

# Raised whenever the same recipe would give other bytes than before.
RECIPE_VERSION = 2
# The shipped recipe of a build that names none.
DEFAULT_RECIPE = "balanced"

_MIX = CalibrationMix()


@dataclass(frozen=True, slots=True)
class Recipe:
    """Every choice that shapes a sub-model; equal recipes on equal inputs give equal bytes.

    The defaults are those of the shipped recipe `balanced` (assistant.recipe_files).

    Attributes:
        score: what a weight is judged by (prune.scores).
        pattern: where zeros may fall: `unstructured` anywhere in an output row, N:M in N of every M inputs.
        sparsity: fraction of zeros in every pruned matrix; that of the pattern, where this is N:M.
        reconstruction: what becomes of the weights that survive: `none` keeps them, `least-squares` solves them anew
            for their matrix's outputs (prune.least_squares), `distillation` trains them after that
            (prune.distillation).
        training_tokens: calibration tokens that distillation learns from, in all its steps; 0 without it.
        tokens: calibration tokens in all.
        sequence_length: tokens a calibration sequence.
        project_share, other_share, chat_share, fim_share: what the calibration set is mixed from (CalibrationMix).
        seed: chooses which calibration text is taken.
        quantisation: type of the pruned matrices in the written file.
        vocabulary: `whole`, or `trimmed` to the tokens that the language's code uses (export.vocabulary).
    """

    score: Literal["magnitude", "wanda", "ria"] = "wanda"
    pattern: str = UNSTRUCTURED
    sparsity: float = 0.5
    reconstruction: Literal["none", "least-squares", "distillation"] = "distillation"
    training_tokens: int = 16 * 1024
    tokens: int = 16 * 1024
    sequence_length: int = 256
    project_share: float = _MIX.project_share
    other_share: float = _MIX.other_share
    chat_share: float = _MIX.chat_share
    fim_share: float = _MIX.fim_share
    seed: int = 0
    quantisation: Literal["Q8_0"] = "Q8_0"
    vocabulary: Literal["whole", "trimmed"] = "whole"

    def __post_init__(self) -> None:
        pattern = parse_pattern(self.pattern)
        if pattern is not None and self.sparsity != pattern.sparsity:
            raise UsageError(
                f"The pattern {pattern} leaves a sparsity of {pattern.sparsity:g}, and the recipe asks for "
                f"{self.sparsity:g}; leave the sparsity out, or choose the pattern {UNSTRUCTURED}."
            )
        self._check_training()
        if not 0.0 < self.sparsity < 1.0:
            raise UsageError(f"A sparsity of {self.sparsity} is not between 0 and 1; 0.5 is the default.")
        if self.sequence_length < 16:  # shorter and most of a sequence has no context to be judged in
            raise UsageError(f"A sequence length of {self.sequence_length} is too short; use 16 tokens or more.")
        if self.tokens < self.sequence_length:
            raise UsageError(
                f"{self.tokens} calibration tokens do not fill one sequence of {self.sequence_length}; "
                "raise --tokens or lower --sequence-length."
            )
        _ = self.mix  # refuses shares that are none

    @property
    def mix(self) -> CalibrationMix:
        """What the calibration set is mixed from."""
        return CalibrationMix(self.project_share, self.other_share, self.chat_share, self.fim_share)

    def _check_training(self) -> None:
        if self.reconstruction != "distillation" and self.training_tokens:
            raise UsageError(
                f"{self.training_tokens} training tokens are of no use where nothing is trained; "
                "leave them out, or choose --reconstruction distillation."
            )
        if self.reconstruction == "distillation" and self.training_tokens < self.sequence_length:
            raise UsageError(
                f"Distillation from {self.training_tokens} tokens is less than one sequence of {self.sequence_length}; "
                "raise --training-tokens, or choose another --reconstruction."
            )

    @property
    def sequences(self) -> int:
        """Whole calibration sequences in `tokens`."""
        return self.tokens // self.sequence_length

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, in order."""
        return dataclasses.asdict(self)
