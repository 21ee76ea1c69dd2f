"""How a score spreads over seeds, and how far two groups lie apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from models.summary.rates import CONFIDENCE

NUM_RESAMPLES = 9999
FEWEST_FOR_INTERVAL = 5
TOO_FEW = (
    f"an interval needs at least {FEWEST_FOR_INTERVAL} runs in each group: the whole range of "
    "four runs holds the true median in 87.5 % of all cases only"
)
"""Of n values, the smallest and the largest enclose the median with probability 1 - 2^(1-n)."""
NO_RUNS = "one of the groups has no run with this score"
FEWEST_FOR_TEST = 2

Values = Sequence[float]


def spread(values: Values) -> dict[str, Any] | None:
    """Number, median and quartiles; ``None`` of nothing."""
    if not values:
        return None
    q1, median, q3 = (float(value) for value in np.percentile(values, (25, 50, 75)))
    return {"n": len(values), "median": median, "q1": q1, "q3": q3}


def difference(a: Values, b: Values, seed: int) -> dict[str, Any]:
    """Difference of the medians, ``b`` − ``a``, its interval, and the Mann-Whitney p.

    ``reason`` says why there is no interval. ``seed`` draws the resamples.
    """
    if not a or not b:
        return {"n": [len(a), len(b)], "reason": NO_RUNS, "interval": None} | dict.fromkeys(
            ("difference", "p_value")
        )
    enough = min(len(a), len(b)) >= FEWEST_FOR_INTERVAL
    return {
        "n": [len(a), len(b)],
        "difference": float(np.median(b) - np.median(a)),
        "interval": interval(a, b, seed) if enough else None,
        "reason": None if enough else TOO_FEW,
        "p_value": rank_test(a, b, seed) if min(len(a), len(b)) >= FEWEST_FOR_TEST else None,
    }


def interval(a: Values, b: Values, seed: int) -> list[float]:
    """Percentile bootstrap of the difference of medians.

    Not BCa: its correction is undefined where resampled medians take a handful of values.
    """

    def medians_apart(
        one: NDArray[np.float64], other: NDArray[np.float64], axis: int = -1
    ) -> NDArray[np.float64]:
        apart: NDArray[np.float64] = np.median(other, axis=axis) - np.median(one, axis=axis)
        return apart

    found = stats.bootstrap(
        (np.array(a), np.array(b)),
        medians_apart,
        n_resamples=NUM_RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return [float(found.low), float(found.high)]


def rank_test(a: Values, b: Values, seed: int) -> float:
    """Two-sided p of Mann and Whitney's test that both groups have one distribution.

    Exact for few runs; with ties from the permutations, all of them where they are few.
    """
    tied = len({*a, *b}) < len(a) + len(b)
    permutations = stats.PermutationMethod(
        n_resamples=NUM_RESAMPLES, rng=np.random.default_rng(seed)
    )
    return min(1.0, float(stats.mannwhitneyu(a, b, method=permutations if tied else "auto").pvalue))


def smallest_p(num_a: int, num_b: int) -> float:
    """The p where all values of one group lie above the other's: no ranking has a smaller."""
    return min(1.0, 2 / math.comb(num_a + num_b, num_a))
