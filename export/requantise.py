"""Other tensors than pruned matrices, such as the embedding and the output matrix, in another type.

What rounds is given: llama.cpp's own quantiser is `assistant.engine.quantiser.quantise_rows`. For pruned matrices there
is `export.block_scales`, which keeps their zeros.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gguf.constants import GGMLQuantizationType

from export.gguf_writer import GGUFRewriter
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
    """A matrix's bytes in another type, some rows at a time: what `GGUFRewriter.write_pieces` takes.

    Raises:
        CheckpointError: there is no such matrix, or it cannot be read.
    """
    rows, columns = file.tensor(name).shape
    step = max(1, _FLOATS_AT_ONCE // columns)
    for start in range(0, rows, step):
        yield quantise(read_rows(file, name, np.arange(start, min(start + step, rows))), kind, importance)


def requantise(
    source: Path,
    out: Path,
    kinds: Mapping[str, GGMLQuantizationType],
    quantise: RowQuantiser,
    importance: Mapping[str, FloatArray] | None = None,
) -> None:
    """Writes a plain GGUF with some matrices in other types; all else is copied.

    Args:
        source: the plain file.
        out: what to write; it must not exist.
        kinds: the new types by tensor name.
        quantise: what rounds.
        importance: by tensor name, what a squared error in each column counts: the mean squared activation of the
            input. For the embedding, which is only looked up, there is none.

    Raises:
        CheckpointError: there is no such matrix, or one whose rows the type cannot store.
        FileExistsError: `out` is there.
    """
    weights = importance or {}
    with GGUFFile(source) as file, GGUFRewriter(file, out, kinds, {}) as writer:
        for name, kind in kinds.items():
            writer.write_pieces(name, requantised_rows(file, name, kind, quantise, weights.get(name)))
        writer.finish()
