"""What a sub-model's file will take, without building it."""

from assistant.recipe import Recipe
from export.sparse.layout import SLACK, SparseLayout
from export.vocabulary.keeping import TrimOptions
from prune.gguf_file import GGUFFile, TensorInfo

_VOCABULARY_TENSORS = ("token_embd.weight", "output.weight")


def predicted_size(base: GGUFFile, recipe: Recipe) -> int:
    """Bytes of the sub-model's file, within about a hundredth: padding and rows' lengths are taken for even.

    Raises:
        CheckpointError: the base model cannot be pruned.
    """
    from prune.driver import prunable_tensors

    pruned = set(prunable_tensors(base))
    metadata = base.path.stat().st_size - sum(info.size for info in base.tensors.values())
    tokens = base.tensor(_VOCABULARY_TENSORS[0]).shape[0]
    kept = min(1.0, TrimOptions().size / tokens) if recipe.vocabulary == "trimmed" else 1.0
    # Nearly all of the metadata is the vocabulary.
    shared = metadata * kept + sum(
        info.size * (kept if name in _VOCABULARY_TENSORS else 1.0)
        for name, info in base.tensors.items()
        if name not in pruned
    )
    return round(shared) + sum(_pruned(base.tensors[name], recipe) for name in pruned)


def _pruned(info: TensorInfo, recipe: Recipe) -> int:
    rows, columns = info.shape
    form = recipe.packed_form
    if form is None:
        return rows * columns // 32 * 34
    kept = round(columns * (1.0 - recipe.sparsity))
    layout = SparseLayout(rows, columns, form, kept if form.pattern.group else None)
    return layout.table_bytes + rows * layout.row_bytes(kept) + SLACK
