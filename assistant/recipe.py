"""How a sub-model is made, as data."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from assistant.calibration_mix import CalibrationMix
from assistant.errors import UsageError

# Raised whenever the same recipe would give other bytes than before.
RECIPE_VERSION = 2

_MIX = CalibrationMix()


@dataclass(frozen=True, slots=True)
class Recipe:
    """Every choice that shapes a sub-model; equal recipes on equal inputs give equal bytes.

    Attributes:
        method: how weights are scored (Wanda: arXiv 2306.11695, section 3).
        pattern: where zeros may fall; `unstructured` compares within each output row.
        sparsity: fraction of zeros in every pruned matrix.
        tokens: calibration tokens in all.
        sequence_length: tokens a calibration sequence.
        project_share, other_share, chat_share, fim_share: what the calibration set is mixed from (CalibrationMix).
        seed: chooses which calibration text is taken.
        quantisation: type of the pruned matrices in the written file.
        vocabulary: `whole`, or `trimmed` to the tokens that the language's code uses (export.vocabulary).
    """

    method: Literal["wanda"] = "wanda"
    pattern: Literal["unstructured"] = "unstructured"
    sparsity: float = 0.5
    tokens: int = 32 * 1024
    sequence_length: int = 1024
    project_share: float = _MIX.project_share
    other_share: float = _MIX.other_share
    chat_share: float = _MIX.chat_share
    fim_share: float = _MIX.fim_share
    seed: int = 0
    quantisation: Literal["Q8_0"] = "Q8_0"
    vocabulary: Literal["whole", "trimmed"] = "whole"

    def __post_init__(self) -> None:
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

    @property
    def sequences(self) -> int:
        """Whole calibration sequences in `tokens`."""
        return self.tokens // self.sequence_length

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, in order."""
        return dataclasses.asdict(self)
