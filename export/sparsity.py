"""What a written file really holds."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from prune.gguf_file import GGUFFile
from prune.weights import read_tensor


def measured_sparsity(path: Path, names: Iterable[str]) -> dict[str, float]:
    """The fraction of exact zeros in each named tensor of a GGUF file, as a reader of the file gets them.

    Raises:
        CheckpointError: the file cannot be read, or has no such tensor.
    """
    with GGUFFile(path) as file:
        return {name: _zeros(file, name) for name in names}


def _zeros(file: GGUFFile, name: str) -> float:
    values = read_tensor(file, name)
    return 1.0 - np.count_nonzero(values) / values.size
