"""Model files for other programs."""

import shutil
from pathlib import Path

from assistant.durable import sync_file
from assistant.errors import UsageError
from export.sparse.convert import sparse_to_dense


def write_dense(source: Path, out: Path, *, sparse: bool) -> None:
    """Writes a model as a plain GGUF: a sparse one unpacked with the same values, any other as it is.

    Raises:
        UsageError: `out` is there already, or cannot be written.
        CheckpointError: the model is damaged.
    """
    if sparse:
        sparse_to_dense(source, out)
        return
    if out.exists():
        raise UsageError(f"{out} is there already; choose another name, or remove it.")
    beside = out.with_name(f".{out.name}.partial")
    try:
        shutil.copyfile(source, beside)
        sync_file(beside)
        beside.replace(out)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}; choose a place with room for it.") from error
    finally:
        beside.unlink(missing_ok=True)
