"""How a sub-model is made, as data."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from assistant.calibration_mix import CalibrationMix
from assistant.errors import UsageError
from export.sparse.layout import BLOCK_SIZES, DENSE_BLOCK, Pattern, SparseFormat, ValueType
from prune.patterns import UNSTRUCTURED, parse_pattern

# Raised whenever the same recipe would give other bytes than before.
RECIPE_VERSION = 4
# The shipped recipe of a build that names none.
DEFAULT_RECIPE = "balanced"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Every choice that shapes a sub-model; equal recipes on equal inputs give equal bytes.

    The defaults are those of the shipped recipe `balanced` (assistant.recipe_files).

    Attributes:
        score: what a weight is judged by (prune.scores).
        pattern: where zeros may fall: `unstructured` anywhere in an output row, N:M in N of every M inputs.
        sparsity: fraction of zeros in every pruned matrix; that of the pattern, where this is N:M. With 0 nothing is
            pruned: what is left to do is in `vocabulary` and `embeddings`, and no weight else is touched.
        allocation: `uniform`, or `owl` for a sparsity of each block's own, whose mean is `sparsity` (prune.allocation).
        reconstruction: what becomes of the weights that survive: `none` keeps them, `least-squares` solves them anew
            for their matrix's outputs (prune.least_squares), `distillation` trains them all together
            (prune.distillation), `least-squares+distillation` does the one and then the other.
        training_tokens: calibration tokens that distillation learns from, in all its steps; 0 without it.
        tokens: calibration tokens in all; 0 where nothing is pruned.
        sequence_length: tokens a calibration sequence.
        project_share, other_share, chat_share, fim_share: what the calibration set is mixed from (CalibrationMix).
        seed: chooses which calibration text is taken.
        values: how the weights that survive are stored: `int8` or `int4` in a sparse GGUF, rounded by what their
            inputs are worth (export.block_scales); `q8_0` in a plain one, whose zeros take as much as any weight;
            `base` as the base has them, where nothing is pruned.
        block: weights of a row that share a scale; 32 for `q8_0` and `base`.
        embeddings: type that embedding and output matrix, which are not pruned, are rounded to by llama.cpp's quantiser
            where they have more bits than it; `base` leaves them as they are.
        vocabulary: `whole`, or `trimmed` to the tokens that the language's code uses (export.vocabulary).
    """

    score: Literal["magnitude", "wanda", "ria"] = "wanda"
    pattern: str = UNSTRUCTURED
    sparsity: float = 0.4
    allocation: Literal["uniform", "owl"] = "uniform"
    reconstruction: Literal["none", "least-squares", "distillation", "least-squares+distillation"] = "distillation"
    training_tokens: int = 16 * 1024
    tokens: int = 16 * 1024
    sequence_length: int = 256
    project_share: float = 0.25
    other_share: float = 0.1
    chat_share: float = 0.15
    fim_share: float = 0.0
    seed: int = 0
    values: Literal["q8_0", "int8", "int4", "base"] = "int8"
    block: int = 128
    embeddings: Literal["base", "q8_0", "q6_k", "q5_k", "q5_0", "q4_k", "q4_0"] = "base"
    vocabulary: Literal["whole", "trimmed"] = "trimmed"

    def __post_init__(self) -> None:
        pattern = parse_pattern(self.pattern)
        if pattern is not None and self.sparsity != pattern.sparsity:
            raise UsageError(
                f"The pattern {pattern} leaves a sparsity of {pattern.sparsity:g}, and the recipe asks for "
                f"{self.sparsity:g}; leave the sparsity out, or choose the pattern {UNSTRUCTURED}."
            )
        if pattern is not None and self.allocation != "uniform":
            raise UsageError(
                f"The pattern {pattern} leaves every block the same sparsity, and the allocation {self.allocation} "
                f"gives each its own; leave the allocation out, or choose the pattern {UNSTRUCTURED}."
            )
        if not 0.0 <= self.sparsity < 1.0:
            raise UsageError(
                f"A sparsity of {self.sparsity} is not between 0 and 1; 0.4 is the default, and 0 prunes nothing."
            )
        self._check_training()
        self._check_form()
        if not self.prunes:
            self._check_unpruned()
        if self.sequence_length < 16:  # shorter and most of a sequence has no context to be judged in
            raise UsageError(f"A sequence length of {self.sequence_length} is too short; use 16 tokens or more.")
        if self.prunes and self.tokens < self.sequence_length:
            raise UsageError(
                f"{self.tokens} calibration tokens do not fill one sequence of {self.sequence_length}; "
                "raise --tokens or lower --sequence-length."
            )
        _ = self.mix  # refuses shares that are none

    @property
    def prunes(self) -> bool:
        """Whether any weight becomes zero."""
        return self.sparsity > 0.0

    @property
    def solves(self) -> bool:
        """Whether surviving weights are solved anew."""
        return "least-squares" in self.reconstruction.split("+")

    @property
    def trains(self) -> bool:
        """Whether surviving weights are trained."""
        return "distillation" in self.reconstruction.split("+")

    @property
    def mix(self) -> CalibrationMix:
        """What the calibration set is mixed from."""
        return CalibrationMix(self.project_share, self.other_share, self.chat_share, self.fim_share)

    def _check_training(self) -> None:
        if not self.trains and self.training_tokens:
            raise UsageError(
                f"{self.training_tokens} training tokens are of no use where nothing is trained; "
                "leave them out, or choose --reconstruction distillation."
            )
        if self.trains and self.training_tokens < self.sequence_length:
            raise UsageError(
                f"Distillation from {self.training_tokens} tokens is less than one sequence of {self.sequence_length}; "
                "raise --training-tokens, or choose another --reconstruction."
            )

    def _check_unpruned(self) -> None:
        for what, is_said in (
            (f"the reconstruction {self.reconstruction}", self.reconstruction != "none"),
            (f"the allocation {self.allocation}", self.allocation != "uniform"),
            (f"{self.tokens} calibration tokens", self.tokens != 0),
        ):
            if is_said:
                raise UsageError(f"A sparsity of 0 prunes nothing, and {what} would be of no use; leave that out.")
        if self.vocabulary == "whole" and self.embeddings == "base":
            raise UsageError(
                "A sparsity of 0 leaves the base model as it is; choose --vocabulary trimmed (the recipe trimmed has "
                "it), or --embeddings."
            )

    def _check_form(self) -> None:
        if (self.values == "base") == self.prunes:
            other = "--values int8, int4 or q8_0" if self.prunes else "a sparsity above 0"
            raise UsageError(
                f"A sparsity of {self.sparsity:g} does not go with weights stored as {self.values}: they are as the "
                f"base has them where nothing is pruned, and only there; leave --values out, or choose {other}."
            )
        if self.block not in BLOCK_SIZES:
            sizes = ", ".join(map(str, BLOCK_SIZES))
            raise UsageError(f"Blocks of {self.block} weights cannot be stored; choose one of {sizes} for --block.")
        if self.values in {"q8_0", "base"} and self.block != DENSE_BLOCK:
            raise UsageError(
                f"{self.values} has no blocks of {self.block} weights; leave the block out, or choose "
                "--values int8 or int4."
            )

    @property
    def packed_form(self) -> SparseFormat | None:
        """How pruned matrices are packed; None where they are plain Q8_0, or there are none."""
        if self.values in {"q8_0", "base"}:
            return None
        pattern = parse_pattern(self.pattern)
        stored = Pattern() if pattern is None else Pattern(pattern.kept, pattern.group)
        return SparseFormat(stored, ValueType(self.values), self.block)

    @property
    def sequences(self) -> int:
        """Whole calibration sequences in `tokens`."""
        return self.tokens // self.sequence_length

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, in order."""
        return dataclasses.asdict(self)
