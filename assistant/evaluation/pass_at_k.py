"""pass@k: the chance that one of k programs that a model writes for a task is right."""

import math
from collections.abc import Sequence


def pass_at_k(samples: int, right: int, k: int) -> float:
    """The unbiased estimate from `samples` programs of which `right` are right (Chen et al., arXiv 2107.03374, eq. 1).

    1 - C(n - c, k) / C(n, k): one minus the chance that k of them, drawn without putting back, are all wrong.

    Raises:
        ValueError: k is not from 1 to `samples`, or `right` is not from 0 to `samples`.
    """
    if not 1 <= k <= samples or not 0 <= right <= samples:
        raise ValueError(f"pass@{k} cannot be estimated from {right} right of {samples}")
    return 1.0 - math.comb(samples - right, k) / math.comb(samples, k)


def mean_pass_at_k(counts: Sequence[tuple[int, int]], k: int) -> float:
    """The mean over tasks, each with its number of samples and how many of them are right.

    Raises:
        ValueError: there are no tasks, or as `pass_at_k`.
    """
    if not counts:
        raise ValueError("there are no tasks")
    return sum(pass_at_k(samples, right, k) for samples, right in counts) / len(counts)
