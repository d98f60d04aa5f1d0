"""Errors of sparse GGUF files."""

from pathlib import Path

from prune.errors import CheckpointError

_LONGEST = 200  # characters of what a damaged file says that a message repeats


class SparseFileError(CheckpointError):
    """A sparse GGUF file that cannot be used, or a model that cannot be written as one."""


def damaged(path: Path, what: str, tensor: str | None = None) -> SparseFileError:
    """The error for a file whose parts contradict each other; `what` says how."""
    place = f"{path}: tensor {tensor[:_LONGEST]!r}" if tensor is not None else str(path)
    return SparseFileError(f"{place} is damaged: {what[:_LONGEST]}; fetch or build the model again.")
