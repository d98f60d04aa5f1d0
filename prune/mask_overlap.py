"""How far two masks differ: the evidence that sub-models of different languages keep different weights.

Jaccard distance between masks, as in *Deriving Coding-Specific Sub-Models from LLMs using Resource-Efficient Pruning*
(arXiv 2501.05248).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Weights that two masks keep: `shared` by both, and by `either`. Overlaps of several matrices add up."""

    shared: int = 0
    either: int = 0

    def __add__(self, other: "Overlap") -> "Overlap":
        return Overlap(self.shared + other.shared, self.either + other.either)

    @property
    def distance(self) -> float:
        """Jaccard distance: 0 for the same mask, 1 where no weight is kept by both; 0 where none is kept at all."""
        return 1.0 - self.shared / self.either if self.either else 0.0


def overlap(one: Mask, other: Mask) -> Overlap:
    """The overlap of two masks of the same shape, True where a weight is kept.

    Raises:
        ValueError: their shapes differ.
    """
    if one.shape != other.shape:
        raise ValueError(f"masks of the shapes {one.shape} and {other.shape} cannot be compared")
    return Overlap(int(np.count_nonzero(one & other)), int(np.count_nonzero(one | other)))


def distance_by_chance(kept_by_one: float, kept_by_other: float) -> float:
    """The Jaccard distance of masks that have nothing to do with each other, by the fraction of weights each keeps."""
    shared = kept_by_one * kept_by_other
    either = kept_by_one + kept_by_other - shared
    return 1.0 - shared / either if either else 0.0
