"""Writing a model whose matrices come from pruning, one at a time, in the form that is asked for."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gguf.constants import GGMLQuantizationType, LlamaFileType

from export.gguf_writer import GGUFRewriter, MetadataValue
from export.quantise import Q8_0, quantise_q8_0
from export.sparse.convert import PrunedWeights, pruned_to_sparse
from export.sparse.dense import exact_dense_type
from export.sparse.layout import DENSE_BLOCK, SparseFormat
from prune.gguf_file import GGUFFile

_FILE_TYPES = {
    GGMLQuantizationType.Q8_0: LlamaFileType.MOSTLY_Q8_0,
    GGMLQuantizationType.Q4_0: LlamaFileType.MOSTLY_Q4_0,
}


@dataclass(frozen=True, slots=True)
class PrunedForm:
    """How pruned matrices are stored.

    Attributes:
        names: of all of them.
        packed: their form in a sparse GGUF; None for Q8_0 in a plain one.
    """

    names: Collection[str]
    packed: SparseFormat | None = None

    @property
    def dense_type(self) -> GGMLQuantizationType:
        """The plain type that holds their values."""
        return Q8_0 if self.packed is None else exact_dense_type(self.packed.values, DENSE_BLOCK)


def write_pruned(
    base: GGUFFile,
    out: Path,
    matrices: Iterable[PrunedWeights],
    form: PrunedForm,
    metadata: Mapping[str, MetadataValue],
) -> None:
    """Writes a model with all of `base` but its pruned matrices, each quantised as it comes.

    Args:
        base: where all else is copied from.
        out: the file; it must not exist.
        matrices: the pruned matrices, in any order.
        form: how they are stored.
        metadata: entries to set, beside `general.file_type`, which says what the plain form of the matrices is.

    Raises:
        CheckpointError: `base` has no such matrix, or one cannot be stored so.
        UsageError: a matrix has values that are not finite.
        FileExistsError: `out` is there.
        ValueError: a matrix is not among `form.names`, has another shape, or did not come.
    """
    entries = {"general.file_type": int(_FILE_TYPES[form.dense_type]), **metadata}
    if form.packed is not None:
        pruned_to_sparse(base, out, matrices, dict.fromkeys(form.names, form.packed), entries)
        return
    with GGUFRewriter(base, out, dict.fromkeys(form.names, Q8_0), entries) as writer:
        for name, values, _ in matrices:
            writer.write(name, quantise_q8_0(values))
        writer.finish()
