"""The file of a sub-model: pruned, rounded, and written with what it shares with its base."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assistant.calibration import CalibrationSet
from assistant.languages import Language
from assistant.recipe import Recipe
from export.gguf_writer import MetadataValue
from export.pruned import PrunedForm, write_pruned
from export.vocabulary import KeptVocabulary, trim
from prune.gguf_file import GGUFFile
from prune.options import Distillation, PruneOptions
from prune.patterns import parse_pattern

# Says what is being done, and how far it is, from 0 to 1.
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Cut:
    """What makes a sub-model of a base model.

    Attributes:
        language: what it is for.
        recipe: how it is made.
        base_sha256: of the base's file.
        calibration: what it is pruned with.
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
        least_squares=recipe.reconstruction != "none",
        distillation=Distillation(recipe.training_tokens) if recipe.reconstruction == "distillation" else None,
    )


def write_submodel(base: GGUFFile, path: Path, cut: Cut, progress: Progress) -> None:
    """Prunes `base` and writes the sub-model to `path`; beside it lies what a later try goes on from.

    Raises:
        CheckpointError: the base model cannot be used.
        UsageError: it cannot be pruned, or stored, as the recipe says.
    """
    from prune.driver import prunable_tensors, prune_blocks

    metadata: dict[str, MetadataValue] = {
        "sned.language": cut.language.value,
        "sned.base.sha256": cut.base_sha256,
        "sned.sparsity": cut.recipe.sparsity,
        "sned.calibration.digest": cut.calibration.record.digest,
    }
    options = prune_options(cut.recipe)
    doing = "Pruning" if options.distillation is None else "Pruning, and training what is left"
    path.unlink(missing_ok=True)  # by a run that was killed; its checkpoints are all that counts
    with _others(base, cut, path.with_name("others.gguf"), progress) as others:
        pruned = prune_blocks(
            base,
            cut.calibration.tokens,
            options,
            progress=lambda fraction: progress(doing, fraction),
            checkpoints=path.with_name("checkpoints"),
        )
        matrices = ((matrix.name, matrix.values, matrix.importance) for matrix in pruned)
        form = PrunedForm(prunable_tensors(base), cut.recipe.packed_form)
        write_pruned(others, path, matrices, form, metadata)


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
