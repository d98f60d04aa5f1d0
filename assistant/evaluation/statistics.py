"""Whether two models differ, from their scores on the same tasks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

_RESAMPLES = 10_000
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Difference:
    """How a model does against another on the tasks that both have.

    Attributes:
        tasks: how many those are.
        first, second: mean scores.
        difference: the second's minus the first's.
        low, high: bounds of the 95 % interval of the difference, by the paired bootstrap.
        only_first, only_second: tasks that one alone solved; None where scores are not 0 or 1.
        p_value: of McNemar's exact test; None where scores are not 0 or 1.
    """

    tasks: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    only_first: int | None
    only_second: int | None
    p_value: float | None


def compare(first: Mapping[str, float], second: Mapping[str, float], seed: int = 0) -> Difference | None:
    """The difference on the tasks that both have; None when there are none."""
    tasks = [task for task in first if task in second]
    if not tasks:
        return None
    ours = np.array([first[task] for task in tasks], dtype=np.float64)
    theirs = np.array([second[task] for task in tasks], dtype=np.float64)
    low, high = paired_bootstrap(theirs - ours, seed)
    binary = bool(np.isin(ours, (0, 1)).all() and np.isin(theirs, (0, 1)).all())
    only_first, only_second = int(((ours == 1) & (theirs == 0)).sum()), int(((ours == 0) & (theirs == 1)).sum())
    return Difference(
        tasks=len(tasks),
        first=float(ours.mean()),
        second=float(theirs.mean()),
        difference=float((theirs - ours).mean()),
        low=low,
        high=high,
        only_first=only_first if binary else None,
        only_second=only_second if binary else None,
        p_value=mcnemar(only_first, only_second) if binary else None,
    )


def paired_bootstrap(differences: npt.NDArray[np.float64], seed: int) -> tuple[float, float]:
    """The 95 % percentile interval of the mean of `differences`, one a task, from 10,000 resamples of the tasks.

    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.

    Raises:
        ValueError: there are no differences.
    """
    if differences.size == 0:
        raise ValueError("there is nothing to resample")
    generator = np.random.default_rng(seed)
    chosen = generator.integers(0, differences.size, (_RESAMPLES, differences.size))
    means = differences[chosen].mean(axis=1)
    low, high = np.quantile(means, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided p-value of McNemar's exact test: of tasks that one model alone solved, each is as likely either's.

    McNemar, Psychometrika 12, 1947; exact as in Dietterich, Neural Computation 10, 1998, by the binomial distribution.

    Raises:
        ValueError: a count is negative.
    """
    if only_first < 0 or only_second < 0:
        raise ValueError("counts are not negative")
    discordant = only_first + only_second
    fewer = min(only_first, only_second)
    tail = sum(math.comb(discordant, count) for count in range(fewer + 1))
    return float(min(1.0, 2 * tail / 2**discordant))


def wilson(right: int, tasks: int) -> tuple[float, float]:
    """The 95 % interval of a share of tasks (Wilson, Journal of the American Statistical Association 22, 1927).

    Raises:
        ValueError: there are no tasks, or fewer than were right.
    """
    if not 0 <= right <= tasks or tasks == 0:
        raise ValueError(f"{right} of {tasks} tasks is no share")
    share, z2 = right / tasks, NormalDist().inv_cdf((1 + _LEVEL) / 2) ** 2
    middle = (share + z2 / (2 * tasks)) / (1 + z2 / tasks)
    half = math.sqrt(z2 * (share * (1 - share) / tasks + z2 / (4 * tasks**2))) / (1 + z2 / tasks)
    return max(0.0, middle - half), min(1.0, middle + half)
