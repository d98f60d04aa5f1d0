"""Other tensors than pruned matrices, such as the embedding and the output matrix, in another type.

What rounds is given: llama.cpp's own quantiser is `assistant.engine.quantiser.quantise_rows`. For pruned matrices there
is `export.block_scales`, which keeps their zeros.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from gguf.constants import GGMLQuantizationType

from prune.gguf_file import GGUFFile
from prune.weights import FloatArray, read_rows

# Takes rows of floats, a type, and what a squared error in each column counts, if that is known; gives the rows' bytes.
RowQuantiser = Callable[[FloatArray, GGMLQuantizationType, FloatArray | None], npt.NDArray[np.uint8]]

_FLOATS_AT_ONCE = 1 << 22


def requantised_rows(
    file: GGUFFile,
    name: str,
    kind: GGMLQuantizationType,
    quantise: RowQuantiser,
    importance: FloatArray | None = None,
) -> Iterator[npt.NDArray[np.uint8]]:
    """A matrix's bytes in another type, some rows at a time: what the writers of files take.

    Raises:
        CheckpointError: there is no such matrix, or it cannot be read.
    """
    rows, columns = file.tensor(name).shape
    step = max(1, _FLOATS_AT_ONCE // columns)
    for start in range(0, rows, step):
        yield quantise(read_rows(file, name, np.arange(start, min(start + step, rows))), kind, importance)
