"""What a candidate's file will take, without making it."""

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

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


def rounded_size(base: GGUFFile, file_type: str) -> int:
    """Bytes that llama.cpp's quantiser writes for a file type of `candidates`, within about a hundredth.

    Its rules (`llama_tensor_get_type`): the output matrix, which may be the embeddings, is Q6_K; where rows are no
    multiple of a type's block of weights, a larger type takes its place; vectors stay.
    """
    kinds = GGMLQuantizationType
    usual, fallback = {"Q4_0": (kinds.Q4_0, kinds.Q4_0), "Q3_K_S": (kinds.Q3_K, kinds.IQ4_NL)}[file_type]
    output = _VOCABULARY_TENSORS[1] if _VOCABULARY_TENSORS[1] in base.tensors else _VOCABULARY_TENSORS[0]
    total = base.path.stat().st_size - sum(info.size for info in base.tensors.values())
    for name, info in base.tensors.items():
        if len(info.shape) < 2:  # a vector
            total += info.size
            continue
        wanted, instead = (kinds.Q6_K, kinds.Q8_0) if name == output else (usual, fallback)
        block, size = GGML_QUANT_SIZES[wanted]
        if info.shape[-1] % block:
            block, size = GGML_QUANT_SIZES[instead]
        weights = 1
        for dimension in info.shape:
            weights *= dimension
        total += weights // block * size
    return total


def _pruned(info: TensorInfo, recipe: Recipe) -> int:
    rows, columns = info.shape
    form = recipe.packed_form
    if form is None:
        return rows * columns // 32 * 34
    kept = round(columns * (1.0 - recipe.sparsity))
    layout = SparseLayout(rows, columns, form, kept if form.pattern.group else None)
    return layout.table_bytes + rows * layout.row_bytes(kept) + SLACK
