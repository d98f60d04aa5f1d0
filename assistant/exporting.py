"""Model files for other programs."""

import shutil
from pathlib import Path

from export.beside import NewFile, named_refusals
from export.sparse.convert import sparse_to_dense

_PIECE_BYTES = 1 << 20


def write_dense(source: Path, out: Path, *, sparse: bool) -> None:
    """Writes a model as a plain GGUF: a sparse one unpacked with the same values, any other as it is.

    Raises:
        UsageError: `out` is there already, or cannot be written.
        CheckpointError: the model is damaged.
    """
    if sparse:
        sparse_to_dense(source, out)
        return
    with named_refusals(out), NewFile(out) as new, source.open("rb") as file:
        shutil.copyfileobj(file, new.file, _PIECE_BYTES)
        new.finish()
