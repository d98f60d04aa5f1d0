"""The file of a sub-model: pruned, rounded, and written with what it shares with its base."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from assistant.calibration import CalibrationSet
from assistant.errors import UsageError
from assistant.languages import Language
from assistant.recipe import Recipe
from export.gguf_writer import MetadataValue
from export.pruned import PrunedForm, PrunedWeights, Requantised, write_pruned
from export.vocabulary import KeptVocabulary, trim
from prune.gguf_file import GGUFFile
from prune.options import Distillation, PruneOptions
from prune.patterns import parse_pattern
from prune.weights import FloatArray

if TYPE_CHECKING:
    from prune.driver import PrunedMatrix

_EMBEDDING, _OUTPUT = "token_embd.weight", "output.weight"

# Says what is being done, and how far it is, from 0 to 1.
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Cut:
    """What makes a sub-model of a base model.

    Attributes:
        language: what it is for.
        recipe: how it is made.
        base_sha256: of the base's file.
        calibration: what it is pruned with; empty where nothing is pruned.
        kept: the tokens that stay; None for all.
    """

    language: Language
    recipe: Recipe
    base_sha256: str
    calibration: CalibrationSet
    kept: KeptVocabulary | None


def prune_options(recipe: Recipe) -> PruneOptions:
    """What the recipe says of pruning."""
    return PruneOptions(
        sparsity=recipe.sparsity,
        pattern=parse_pattern(recipe.pattern),
        score=recipe.score,
        allocation=recipe.allocation,
        least_squares=recipe.solves,
        distillation=Distillation(recipe.training_tokens) if recipe.trains else None,
    )


def pruned_tensors(base: GGUFFile, recipe: Recipe) -> list[str]:
    """The names of the matrices that the recipe prunes.

    Raises:
        CheckpointError: the base's architecture is not supported, or a tensor is missing.
    """
    if not recipe.prunes:
        return []  # of a model of any kind, and without torch
    from prune.driver import prunable_tensors

    return prunable_tensors(base)


def requantised_types(base: GGUFFile, recipe: Recipe) -> dict[str, GGMLQuantizationType]:
    """What embedding and output matrix are rounded to, by name: those that have more bits than the recipe asks for.

    Raises:
        UsageError: none has, or the type does not take their rows.
    """
    if recipe.embeddings == "base":
        return {}
    kind = GGMLQuantizationType[recipe.embeddings.upper()]
    there = [base.tensors[name] for name in (_EMBEDDING, _OUTPUT) if name in base.tensors]
    larger = [info for info in there if _bits(info.type) > _bits(kind)]
    if not larger:
        types = " and ".join(f"{info.name} as {info.type.name}" for info in there)
        raise UsageError(
            f"{base.path} has {types}, which {kind.name} does not make smaller; leave --embeddings out, or choose "
            "fewer bits."
        )
    for info in larger:
        if info.shape[-1] % GGML_QUANT_SIZES[kind][0]:
            raise UsageError(
                f"{info.name!r} in {base.path} has rows of {info.shape[-1]} weights, which {kind.name} takes by "
                f"{GGML_QUANT_SIZES[kind][0]}; choose --embeddings q8_0, q5_0 or q4_0."
            )
    return {info.name: kind for info in larger}


def _bits(kind: GGMLQuantizationType) -> float:
    """Bits a weight."""
    weights, size = GGML_QUANT_SIZES[kind]
    return float(8 * size / weights)


def _output(base: GGUFFile) -> str:
    """The name of the output matrix; where there is none of its own, the embedding serves as it."""
    return _OUTPUT if _OUTPUT in base.tensors else _EMBEDDING


def write_submodel(base: GGUFFile, path: Path, cut: Cut, progress: Progress) -> dict[str, float]:
    """Prunes `base` and writes the sub-model to `path`; beside it lies what a later try goes on from.

    The error of each pruned matrix's outputs comes back (`PrunedMatrix.error`), by the name of its tensor. Where
    nothing is pruned, all but the vocabulary, or what is rounded anew, is the base's to the last byte.

    Raises:
        CheckpointError: the base model cannot be used.
        UsageError: it cannot be pruned, or stored, as the recipe says.
    """
    metadata: dict[str, MetadataValue] = {
        "sned.language": cut.language.value,
        "sned.base.sha256": cut.base_sha256,
        "sned.sparsity": cut.recipe.sparsity,
        "sned.calibration.digest": cut.calibration.record.digest,
    }
    path.unlink(missing_ok=True)  # by a run that was killed; its checkpoints are all that counts
    with _others(base, cut, path.with_name("others.gguf"), progress) as others:
        write = partial(write_pruned, others, path, metadata=metadata)
        if cut.recipe.prunes:
            return _prune(base, cut, path.with_name("checkpoints"), write, progress)
        progress("Writing the file", 0.0)
        write((), PrunedForm((), others=_requantised(base, cut.recipe, dict)))
        return {}


def _prune(
    base: GGUFFile,
    cut: Cut,
    checkpoints: Path,
    write: Callable[[Iterable[PrunedWeights], PrunedForm], None],
    progress: Progress,
) -> dict[str, float]:
    """Has each matrix written as soon as it is pruned, and gives their errors."""
    from prune.driver import output_importance, prune_blocks

    tokens, options = cut.calibration.tokens, prune_options(cut.recipe)
    doing = "Pruning" if options.distillation is None else "Pruning, and training what is left"
    pruned = prune_blocks(base, tokens, options, lambda fraction: progress(doing, fraction), checkpoints)
    measured = base, tokens, options, checkpoints
    errors: dict[str, float] = {}
    requantised = _requantised(base, cut.recipe, lambda: {_output(base): output_importance(*measured)})
    form = PrunedForm(pruned_tensors(base, cut.recipe), cut.recipe.packed_form, requantised)
    write(_noting(pruned, errors), form)
    return errors


def _requantised(
    base: GGUFFile, recipe: Recipe, importance: Callable[[], Mapping[str, FloatArray]]
) -> Requantised | None:
    from assistant.engine.quantiser import quantise_rows

    types = requantised_types(base, recipe)
    return Requantised(types, quantise_rows, importance) if types else None


def _noting(pruned: "Iterable[PrunedMatrix]", errors: dict[str, float]) -> Iterator[PrunedWeights]:
    """What is to be written of matrices; their errors go to `errors` as they pass."""
    for matrix in pruned:
        errors[matrix.name] = matrix.error
        yield matrix.name, matrix.values, matrix.importance


@contextmanager
def _others(base: GGUFFile, cut: Cut, path: Path, progress: Progress) -> Iterator[GGUFFile]:
    """Where what is not pruned comes from: the base model, or one with fewer tokens at `path`, which is removed after.

    What is pruned is the base itself in any case: the calibration set has its token ids.
    """
    if cut.kept is None:
        yield base
        return
    progress("Trimming the vocabulary", 0.0)
    path.unlink(missing_ok=True)
    try:
        trim(base.path, cut.kept, path)
        with GGUFFile(path) as trimmed:
            yield trimmed
    finally:
        path.unlink(missing_ok=True)
