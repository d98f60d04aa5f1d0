"""What a written file really holds."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from export.mask_reading import MaskFile


def measured_sparsity(path: Path, names: Iterable[str]) -> dict[str, float]:
    """The fraction of pruned weights in each named matrix of a GGUF file, plain or sparse.

    That is exact zeros in a plain file, and what is not stored in a sparse one: a weight that was kept may be rounded
    to zero there.

    Raises:
        CheckpointError: the file cannot be read, or has no such matrix.
    """
    with MaskFile(path) as file:
        masks = ((name, file.mask(name)) for name in names)
        return {name: 1.0 - np.count_nonzero(mask) / mask.size for name, mask in masks}
