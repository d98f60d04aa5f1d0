"""Plain files of models that may be sparse ones, for benchmarks that make further forms of them."""

from pathlib import Path

from export.sparse.convert import sparse_to_dense
from export.sparse.records import is_sparse, read_file_digest
from prune.gguf_file import GGUFFile


def plain_file(model: Path, folder: Path) -> Path:
    """The model itself where it is plain; otherwise a plain file with the same weights in `folder`."""
    with GGUFFile(model) as file:
        if not is_sparse(file):
            return model
        plain = folder / f"plain-{read_file_digest(file)[:10]}.gguf"
    if not plain.exists():
        sparse_to_dense(model, plain)
    return plain
