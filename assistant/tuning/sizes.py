"""What a sub-model's file will take, without building it."""

from assistant.recipe import Recipe
from export.sparse.layout import Pattern, SparseFormat, SparseLayout, ValueType
from export.vocabulary.keeping import TrimOptions
from prune.gguf_file import GGUFFile, TensorInfo
from prune.patterns import parse_pattern

_VOCABULARY_TENSORS = ("token_embd.weight", "output.weight")


def predicted_size(base: GGUFFile, recipe: Recipe) -> int:
    """Bytes of the sub-model's file, within some per cent: padding and metadata are those of the base.

    Raises:
        CheckpointError: the base model cannot be pruned.
    """
    from prune.driver import prunable_tensors

    pruned = set(prunable_tensors(base))
    metadata = base.path.stat().st_size - sum(info.size for info in base.tensors.values())
    shared = sum(_shared(info, recipe) for name, info in base.tensors.items() if name not in pruned)
    return metadata + shared + sum(_pruned(base.tensors[name], recipe) for name in pruned)


def _shared(info: TensorInfo, recipe: Recipe) -> int:
    if recipe.vocabulary == "trimmed" and info.name in _VOCABULARY_TENSORS:
        return info.size * min(TrimOptions().size, info.shape[0]) // info.shape[0]
    return info.size


def _pruned(info: TensorInfo, recipe: Recipe) -> int:
    rows, columns = info.shape
    form = recipe.as_dict()
    values = form.get("values", "q8_0")
    if values == "q8_0":
        return rows * columns // 32 * 34
    pattern = parse_pattern(recipe.pattern)
    packed = SparseFormat(Pattern.parse(recipe.pattern), ValueType(values), form["block"])
    kept = round(columns * (1.0 - recipe.sparsity))
    layout = SparseLayout(rows, columns, packed, None if pattern is None else kept)
    return layout.table_bytes + rows * layout.row_bytes(kept)
