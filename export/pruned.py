"""Writing a model whose matrices come from pruning, one at a time, in the form that is asked for."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gguf.constants import GGMLQuantizationType, LlamaFileType

from export.block_scales import quantise_blocks
from export.gguf_writer import GGUFRewriter, MetadataValue
from export.quantise import Q8_0, quantise_q8_0
from export.requantise import RowQuantiser, requantised_rows
from export.sparse.dense import exact_dense_type
from export.sparse.layout import DENSE_BLOCK, SparseFormat
from export.sparse.writer import PackedForm, SparseWriter
from prune.gguf_file import GGUFFile
from prune.weights import FloatArray

# A pruned matrix: its name, its weights with zeros where pruned, and the mean squared activation of each input.
PrunedWeights = tuple[str, FloatArray, FloatArray | None]

_FILE_TYPES = {
    GGMLQuantizationType.Q8_0: LlamaFileType.MOSTLY_Q8_0,
    GGMLQuantizationType.Q4_0: LlamaFileType.MOSTLY_Q4_0,
}


@dataclass(frozen=True, slots=True)
class Requantised:
    """Matrices that are not pruned, and stored in another type than the base has.

    Attributes:
        kinds: their types by name.
        quantise: what rounds.
        importance: gives, by name, what a squared error in each column counts, where that is known. It is asked for
            once all pruned matrices have come: what is measured on the way is known then.
    """

    kinds: Mapping[str, GGMLQuantizationType]
    quantise: RowQuantiser
    importance: Callable[[], Mapping[str, FloatArray]] = dict

    def matrices(self, base: GGUFFile) -> Iterator[tuple[str, Iterator[npt.NDArray[np.uint8]]]]:
        """The name of each, and its bytes in pieces."""
        importance = self.importance()
        for name, kind in self.kinds.items():
            yield name, requantised_rows(base, name, kind, self.quantise, importance.get(name))


@dataclass(frozen=True, slots=True)
class PrunedForm:
    """How a pruned model is stored.

    Attributes:
        names: of all pruned matrices; none where only the others are stored anew.
        packed: their form in a sparse GGUF; None for Q8_0 in a plain one.
        others: matrices that are not pruned and yet stored anew; None for none.
    """

    names: Collection[str]
    packed: SparseFormat | None = None
    others: Requantised | None = None

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

    In a sparse file, codes and scales are those with the least error of the surviving weights, weighted with what
    activates them: the norms that pruning has taken say that at no cost. One matrix at a time need be in memory.

    Args:
        base: where all else is copied from.
        out: the file; it must not exist.
        matrices: the pruned matrices, in any order.
        form: how they are stored.
        metadata: entries to set, beside `general.file_type`, which says what the plain form of pruned matrices is. An
            entry of the base keeps its place and must keep its type.

    Raises:
        CheckpointError: `base` has no such matrix, or one cannot be stored so.
        UsageError: a matrix has values that are not finite, or is to have a type that does not take it.
        FileExistsError: `out` is there.
        ValueError: a matrix is not among `form.names`, has another shape, or did not come.
    """
    file_type: dict[str, MetadataValue] = {"general.file_type": int(_FILE_TYPES[form.dense_type])} if form.names else {}
    entries = {**file_type, **metadata}
    kinds = form.others.kinds if form.others is not None else {}
    others = form.others.matrices(base) if form.others is not None else iter(())
    if form.packed is None:
        with GGUFRewriter(base, out, {**dict.fromkeys(form.names, Q8_0), **kinds}, entries) as plain:
            for name, values, _ in matrices:
                plain.write(name, quantise_q8_0(values))
            for name, pieces in others:
                plain.write_pieces(name, pieces)
            plain.finish()
        return
    with SparseWriter(base, out, dict.fromkeys(form.names, PackedForm(form.packed)), entries) as sparse:
        for name, values, importance in matrices:
            sparse.write(name, quantise_blocks(values, form.packed, importance))
        for name, pieces in others:
            sparse.write_other(name, kinds[name], pieces)
        sparse.finish()
