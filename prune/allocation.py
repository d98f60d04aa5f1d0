"""How much of each block is pruned, where a model as a whole is to have some sparsity.

OWL, outlier weighed layerwise sparsity (Yin et al., arXiv 2310.05175, section 4): a block whose scores have more
outliers, far above their mean, loses more when it is pruned, and keeps more weights. It needs the scores of all blocks
before the first mask is made, so the dense model is run once more, on a part of the calibration set.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from prune.architectures import Architecture, Matrix
from prune.blocks import Block, BlockLoader
from prune.options import PruneOptions, Score
from prune.scores import InputNorms, scores_of

# The paper's M: a score so many times the mean of its block is an outlier; and its lambda: the farthest that a block's
# sparsity is from that of the model.
_OUTLIER = 5.0
_SPREAD = 0.08
# Enough for shares of outliers; masks take all of the calibration set.
_TOKENS = 2048


def block_sparsities(loader: BlockLoader, tokens: npt.NDArray[np.int32], options: PruneOptions) -> list[float]:
    """The sparsity of each block; `tokens` is the calibration set, shape (sequences, tokens a sequence)."""
    if options.allocation == "uniform":
        return [options.sparsity] * loader.count
    return owl_sparsities(outlier_shares(loader, tokens, options.score), options.sparsity)


def owl_sparsities(outliers: Sequence[float], sparsity: float) -> list[float]:
    """The sparsity of each block, whose mean is `sparsity`, from its share of outliers.

    Shares are scaled to a range of twice 0.08; where all are equal, so are the sparsities. None is below 0 or above 1:
    a model so sparse or so dense has a smaller range.
    """
    shares = np.asarray(outliers, dtype=np.float64)
    extent = shares.max() - shares.min()
    if not extent:
        return [sparsity] * len(shares)
    spread = min(_SPREAD, sparsity / 2, (1 - sparsity) / 2)
    scaled = (shares - shares.min()) / extent * 2 * spread
    found: list[float] = (sparsity + scaled.mean() - scaled).tolist()
    return found


def outlier_shares(loader: BlockLoader, tokens: npt.NDArray[np.int32], score: Score) -> list[float]:
    """The share of each block's scores that are outliers, from one pass through the dense model.

    The first sequences of `tokens`, shape (sequences, tokens a sequence), are used, as many as have 2,048 tokens.
    """
    used = tokens[: max(1, _TOKENS // tokens.shape[1])]
    shares = []
    with torch.inference_mode():
        hidden = loader.embed(used)
        for index in range(loader.count):
            block = loader.load(index)
            shares.append(_outlier_share(list(_block_scores(loader.architecture, block, hidden, score))))
            loader.unload(index)
    return shares


def _block_scores(architecture: Architecture, block: Block, hidden: Tensor, score: Score) -> Iterator[Tensor]:
    """The scores of each matrix of a block; `hidden` is what leaves it, once all have been taken."""
    norms = [InputNorms() for _ in range(4)]
    for sequence in hidden:
        inputs = block.attention_input(sequence)
        context = block.attention_context(inputs)
        sequence.add_(block.linear(architecture.attention_output)(context))
        mlp_inputs = block.mlp_input(sequence)
        activation = block.mlp_activation(mlp_inputs)
        sequence.add_(block.linear(architecture.mlp_output)(activation))
        for seen, each in zip(norms, (inputs, context, mlp_inputs, activation), strict=True):
            seen.add(each)
    stages: tuple[tuple[Matrix, ...], ...] = (
        architecture.attention_input,
        (architecture.attention_output,),
        architecture.mlp_input,
        (architecture.mlp_output,),
    )
    for matrices, seen in zip(stages, norms, strict=True):
        for matrix in matrices:
            yield scores_of(block.linear(matrix).weight, seen.result(), score)


def _outlier_share(scores: Sequence[Tensor]) -> float:
    """Of all scores of a block, the share that is above a multiple of their mean."""
    count = sum(each.numel() for each in scores)
    threshold = _OUTLIER * sum(float(each.double().sum()) for each in scores) / count
    return sum(int((each > threshold).sum()) for each in scores) / count
