"""The errors of the assistant's own work; the family's root is in the lowest room."""

from prune.errors import CheckpointError, SnedError, UsageError

__all__ = [
    "AnswerError",
    "BuildError",
    "CatalogError",
    "CheckpointError",
    "EngineError",
    "EvaluationError",
    "FetchError",
    "PublicationError",
    "SignatureError",
    "SnedError",
    "StoreError",
    "UsageError",
]


class CatalogError(SnedError):
    """A catalog that does not parse or contradicts itself."""


class FetchError(SnedError):
    """No source of a model could deliver the file that the catalog or an index promises."""


class PublicationError(SnedError):
    """A published folder, or its index, is not as it should be, or cannot be written."""


class SignatureError(PublicationError):
    """An index that is not signed by those who must have signed it: whoever wrote it is somebody else."""


class StoreError(SnedError):
    """The model store cannot be read or written."""


class BuildError(SnedError):
    """A sub-model cannot be built here from what was given."""


class EngineError(SnedError):
    """A model cannot be loaded or run."""


class AnswerError(SnedError):
    """What a model answered is not what it was asked for."""


class EvaluationError(SnedError):
    """A model cannot be measured here as it was asked for."""
