"""From scores to masks: which weights survive, anywhere in a row or N of every M inputs.

Pure functions. Of equal scores the first goes, so a mask is the same on every run.
"""

import numpy as np
import torch
from torch import Tensor

from prune.patterns import NOfM


def pruned_per_row(weight: Tensor, sparsity: float) -> int:
    """How many weights to prune in each row for a matrix of this sparsity: `int(inputs * sparsity)`, or a few less.

    A base model that is quantised itself has zeros of its own; where some rows have more of them than they should lose,
    the others keep a little more, so that the matrix as a whole has the sparsity that was asked for.
    """
    rows, inputs = weight.shape
    pruned = int(inputs * sparsity)
    wanted = rows * pruned
    zeros = inputs - torch.from_numpy(np.count_nonzero(weight.numpy(force=True), axis=1))
    # One weight a row more or less moves the whole by up to `rows`: half of that is as near as it gets.
    while pruned > 0 and int(zeros.clamp(min=pruned).sum()) - wanted > rows // 2:
        pruned -= 1
    return pruned


def unstructured_mask(scores: Tensor, pruned: int) -> Tensor:
    """Which weights survive, compared within each output row (Wanda, arXiv 2306.11695, section 3).

    True for kept, shape as `scores`. Every row loses exactly `pruned` weights, those of the lowest score.
    """
    if pruned == 0:
        return torch.ones_like(scores, dtype=torch.bool)
    threshold = _lowest(scores, pruned)
    kept = scores > threshold
    # Ties at the threshold are rare, and dear to resolve: only the rows that have them pay.
    to_keep = scores.shape[1] - pruned
    tied_rows = torch.from_numpy(np.flatnonzero(np.count_nonzero(kept.numpy(force=True), axis=1) < to_keep))
    if tied_rows.numel():
        tied = scores[tied_rows] == threshold[tied_rows]
        ties_to_keep = to_keep - kept[tied_rows].sum(dim=1, keepdim=True)
        kept[tied_rows] |= tied & (tied.flip(1).cumsum(dim=1).flip(1) <= ties_to_keep)
    return kept


def _lowest(scores: Tensor, count: int) -> Tensor:
    """The highest of the `count` lowest scores of each row, shape (rows, 1)."""
    if scores.device.type != "cpu":
        return scores.kthvalue(count, dim=1, keepdim=True).values
    # numpy's selection is vectorised: five times as fast as torch's, which took a third of a build without training.
    return torch.from_numpy(np.partition(scores.numpy(), count - 1, axis=1)[:, count - 1 : count].copy())


def n_of_m_mask(scores: Tensor, pattern: NOfM) -> Tensor:
    """Which weights survive where exactly N of every M neighbouring inputs do, those of the highest score.

    True for kept, shape as `scores`.

    Raises:
        ValueError: the groups do not divide the inputs.
    """
    rows, inputs = scores.shape
    if inputs % pattern.group:
        raise ValueError(f"groups of {pattern.group} do not divide {inputs} inputs")
    groups = scores.reshape(rows, -1, pattern.group)
    # Ascending and stable, so that of equal scores the last survive.
    order = groups.argsort(dim=2, stable=True)
    kept = torch.zeros_like(groups, dtype=torch.bool)
    return kept.scatter_(2, order[:, :, pattern.group - pattern.kept :], True).reshape(rows, inputs)
