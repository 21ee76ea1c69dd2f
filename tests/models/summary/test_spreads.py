"""Spreads and differences against numpy, against SciPy called on its own, and against chance."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import bootstrap

from models.summary.spreads import (
    NUM_RESAMPLES,
    TOO_FEW,
    difference,
    interval,
    rank_test,
    smallest_p,
    spread,
)

A, B = [0.1, 0.4, 0.2, 0.9, 0.3], [0.5, 0.6, 0.45, 0.8, 0.7, 0.65]


def test_a_spread_is_median_and_quartiles():
    assert spread([4.0, 1.0, 3.0, 2.0]) == {"n": 4, "median": 2.5, "q1": 1.75, "q3": 3.25}
    assert spread([7.0]) == {"n": 1, "median": 7.0, "q1": 7.0, "q3": 7.0}
    assert spread([]) is None


def test_a_difference_is_second_less_first():
    found = difference(A, B, 1)
    assert found["difference"] == pytest.approx(0.625 - 0.3)
    assert found["n"] == [5, 6]
    assert found["reason"] is None


def test_the_interval_is_scipy_s_percentile_bootstrap_with_the_stated_seed():
    expected = bootstrap(
        (A, B),
        lambda a, b: np.median(b) - np.median(a),
        n_resamples=NUM_RESAMPLES,
        method="percentile",
        vectorized=False,
        rng=np.random.default_rng(3),
    ).confidence_interval
    assert interval(A, B, 3) == pytest.approx([expected.low, expected.high])


def test_the_same_seed_gives_the_same_interval_and_another_seed_may_not():
    assert interval(A, B, 1) == interval(A, B, 1)
    draws = np.random.default_rng(0).normal(size=(2, 40))
    assert interval(draws[0], draws[1], 1) != interval(draws[0], draws[1], 2)


def test_intervals_of_equal_distributions_hold_zero_about_as_often_as_they_say():
    draws = np.random.default_rng(0).normal(size=(100, 2, 12))
    held = sum(low <= 0 <= high for a, b in draws for low, high in [interval(a, b, 0)])
    assert held >= 90


def test_fewer_than_five_runs_have_no_interval_and_the_reason():
    found = difference(A[:4], B, 1)
    assert (found["interval"], found["reason"]) == (None, TOO_FEW)
    assert found["reason"].endswith("the true median in 87.5 % of all cases only")


def test_nothing_on_one_side_leaves_nothing_to_compare():
    found = difference([], B, 1)
    assert found == {
        "n": [0, 6],
        "difference": None,
        "interval": None,
        "p_value": None,
        "reason": "one of the groups has no run with this score",
    }


def every_split(a, b):
    """The exact two-sided p of the rank sum, by counting all ways to split the runs."""
    ranks = {value: rank for rank, value in enumerate(sorted([*a, *b]))}
    centre = len(a) * (len(a) + len(b) - 1) / 2
    seen = abs(sum(ranks[value] for value in a) - centre)
    sums = [abs(sum(chosen) - centre) for chosen in combinations(ranks.values(), len(a))]
    return sum(one >= seen - 1e-9 for one in sums) / len(sums)


def test_the_rank_test_counts_all_splits():
    assert rank_test(A, B, 0) == pytest.approx(every_split(A, B))
    assert rank_test([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], 0) == pytest.approx(0.1)


def test_ties_are_counted_over_all_permutations_too():
    p = rank_test([1.0, 1.0, 1.0], [1.0, 1.0, 1.0], 0)
    assert p == 1.0
    assert rank_test([1.0, 1.0, 2.0], [3.0, 3.0, 4.0], 0) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("n", "m", "p"), [(1, 1, 1.0), (3, 3, 0.1), (5, 5, 2 / 252), (1, 40, 2 / 41)]
)
def test_the_smallest_p_is_that_of_groups_that_do_not_overlap(n, m, p):
    assert smallest_p(n, m) == pytest.approx(p)
    if n > 1:
        low, high = [float(i) for i in range(n)], [100.0 + i for i in range(m)]
        assert rank_test(low, high, 0) == pytest.approx(p)


def test_a_single_run_is_tested_against_nothing():
    assert difference([0.5], B, 0)["p_value"] is None
