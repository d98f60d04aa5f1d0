"""Reading the evidence out of model files: sparsity of each matrix, and how far masks differ."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np

from assistant.errors import UsageError
from assistant.languages import Language
from export.mask_reading import MaskFile, place_of
from prune.mask_overlap import Overlap, distance_by_chance, overlap

# The order in which data meets the matrices of a block; files have another.
_ORDER = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


@dataclass(frozen=True, slots=True)
class ReportedModel:
    """A model to report on.

    Attributes:
        name: of the store, or of its file.
        path: its file.
        language: what it was pruned for, if that is known.
        errors: error of each matrix's output by name, as its build measured it; empty where it did not.
    """

    name: str
    path: Path
    language: Language | None = None
    errors: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models' masks: indices of the models, and the overlap of each matrix by block and kind."""

    one: int
    other: int
    overlaps: Mapping[tuple[int, str], Overlap]

    def of_block(self, block: int) -> Overlap:
        """The overlap of all matrices of a block."""
        return sum((found for (at, _), found in self.overlaps.items() if at == block), Overlap())

    @property
    def whole(self) -> Overlap:
        """The overlap of all matrices."""
        return sum(self.overlaps.values(), Overlap())


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the files show.

    Attributes:
        models: in the order they were named.
        labels: a short name for each.
        blocks: numbers of the blocks, ascending.
        kinds: kinds of matrices, such as `attn_q`, in the order data meets them.
        zeros: of each model, zeros and weights of each matrix by block and kind.
        comparisons: of every two models; none where there is one.
    """

    models: Sequence[ReportedModel]
    labels: Sequence[str]
    blocks: Sequence[int]
    kinds: Sequence[str]
    zeros: Sequence[Mapping[tuple[int, str], tuple[int, int]]]
    comparisons: Sequence[Comparison]

    def sparsity(self, model: int, block: int | None = None, kind: str | None = None) -> float:
        """Fraction of zeros of a model, or of some of its matrices; not a number where it has no such matrix."""
        counts = [
            count
            for (at, what), count in self.zeros[model].items()
            if (block is None or at == block) and (kind is None or what == kind)
        ]
        weights = sum(size for _, size in counts)
        return sum(zeros for zeros, _ in counts) / weights if weights else float("nan")

    def error(self, model: int, block: int, kind: str) -> float:
        """The error that a model's build measured of a matrix; not a number where it did not."""
        return self.models[model].errors.get(f"blk.{block}.{kind}.weight", float("nan"))

    def mean_error(self, model: int, block: int | None = None) -> float:
        """The mean error of a model's matrices, or of those in a block; not a number where none was measured."""
        blocks = self.blocks if block is None else [block]
        found = [self.error(model, at, kind) for at in blocks for kind in self.kinds]
        there = [error for error in found if not math.isnan(error)]
        return sum(there) / len(there) if there else math.nan

    @property
    def has_errors(self) -> bool:
        """Whether any model's build measured errors."""
        return any(model.errors for model in self.models)

    def pair(self, comparison: Comparison) -> str:
        """Both models of a comparison, in words."""
        return f"{self.labels[comparison.one]} / {self.labels[comparison.other]}"

    def by_chance(self, comparison: Comparison) -> float:
        """The Jaccard distance that masks of these sparsities have when they have nothing to do with each other."""
        return distance_by_chance(1 - self.sparsity(comparison.one), 1 - self.sparsity(comparison.other))

    def mean_distance(self, block: int, kind: str | None = None) -> float:
        """The mean over all comparisons of the Jaccard distance in a block, or in one of its matrices."""
        found = [
            each.of_block(block).distance if kind is None else each.overlaps[block, kind].distance
            for each in self.comparisons
            if kind is None or (block, kind) in each.overlaps
        ]
        return float(np.mean(found)) if found else float("nan")

    def most_different(self, count: int = 5) -> list[tuple[int, float]]:
        """The blocks whose masks differ most on average, and their mean distance; none where nothing is compared."""
        if not self.comparisons:
            return []
        distances = [(block, self.mean_distance(block)) for block in self.blocks]
        return sorted(distances, key=lambda pair: (-pair[1], pair[0]))[:count]


def gather(models: Sequence[ReportedModel], progress: Callable[[float], None] = lambda fraction: None) -> Evidence:
    """Reads all masks, a matrix at a time: memory is that of one matrix's masks for each model.

    Raises:
        UsageError: the models are not of one shape, or one is named twice.
        CheckpointError: a file cannot be read.
    """
    _refuse_repeated(models)
    with ExitStack() as stack:
        files = [stack.enter_context(MaskFile(model.path)) for model in models]
        _refuse_different(models, files)
        shapes = files[0].shapes
        places = {name: place_of(name) for name in shapes}
        zeros: list[dict[tuple[int, str], tuple[int, int]]] = [{} for _ in models]
        overlaps: dict[tuple[int, int], dict[tuple[int, str], Overlap]] = {
            pair: {} for pair in combinations(range(len(models)), 2)
        }
        for done, (name, place) in enumerate(places.items()):
            progress(done / len(places))
            masks = [file.mask(name) for file in files]
            for counts, mask in zip(zeros, masks, strict=True):
                counts[place] = (mask.size - int(np.count_nonzero(mask)), mask.size)
            for (one, other), found in overlaps.items():
                found[place] = overlap(masks[one], masks[other])
        progress(1.0)
    return Evidence(
        models=models,
        labels=_labels(models),
        blocks=sorted({block for block, _ in places.values()}),
        kinds=sorted(dict.fromkeys(kind for _, kind in places.values()), key=_order),
        zeros=zeros,
        comparisons=[Comparison(one, other, found) for (one, other), found in overlaps.items()],
    )


def _order(kind: str) -> int:
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def _labels(models: Sequence[ReportedModel]) -> list[str]:
    """Languages, where each model has one of its own; else names."""
    languages = [model.language.label for model in models if model.language is not None]
    return languages if len(set(languages)) == len(models) else [model.name for model in models]


def _refuse_repeated(models: Sequence[ReportedModel]) -> None:
    paths = [model.path.resolve() for model in models]
    for model, path in zip(models, paths, strict=True):
        if paths.count(path) > 1:
            raise UsageError(f"{model.name} is named twice; name models that differ.")


def _refuse_different(models: Sequence[ReportedModel], files: Sequence[MaskFile]) -> None:
    first = files[0]
    for model, file in zip(models, files, strict=True):
        if not file.shapes:
            raise UsageError(f"{model.name} has no matrices that pruning knows; name a model that sned built.")
        if file.shapes != first.shapes:
            differing = next(
                name for name in {**first.shapes, **file.shapes} if file.shapes.get(name) != first.shapes.get(name)
            )
            raise UsageError(
                f"{models[0].name} and {model.name} are not of one base model ({differing} is "
                f"{_shape(first, differing)} and {_shape(file, differing)}); compare sub-models of the same base."
            )


def _shape(file: MaskFile, name: str) -> str:
    shape = file.shapes.get(name)
    return "missing" if shape is None else f"{shape[0]} x {shape[1]}"
