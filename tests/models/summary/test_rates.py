"""Rates and their tests against closed forms and against SciPy called on its own."""

from math import comb, sqrt

import pytest
from scipy.stats import chi2_contingency, hypergeom, norm

from models.summary.rates import (
    Rate,
    adjusted,
    fisher,
    is_evidence,
    odds_ratio,
    smallest_fisher,
)


def wilson(num, total):
    """Wilson 1927, solved for the rate."""
    z = norm.ppf(0.975)
    rate = num / total
    centre = (rate + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * sqrt(rate * (1 - rate) / total + z**2 / (4 * total**2))
    return [centre - half, centre + half]


@pytest.mark.parametrize(("num", "total"), [(0, 1), (1, 1), (1, 3), (0, 5), (20, 40), (40, 40)])
def test_the_interval_of_a_rate_is_wilson_s(num, total):
    found = Rate(num=num, total=total).table()
    assert found["collapse_rate"] == num / total
    assert found["collapse_interval"] == pytest.approx(wilson(num, total), abs=1e-12)


def test_a_rate_of_nothing_has_neither_value_nor_interval():
    assert Rate(num=0, total=0).table() == {"collapse_rate": None, "collapse_interval": None}


def test_one_of_three_against_none_of_three_says_nothing():
    assert fisher(Rate(num=1, total=3), Rate(num=0, total=3)) == 1.0


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 3), (5, 5), (2, 7)])
def test_all_against_none_is_the_smallest_p_that_there_is(n, m):
    both_tails = 2 if n == m else 1
    expected = both_tails / comb(n + m, n)
    assert fisher(Rate(num=n, total=n), Rate(num=0, total=m)) == pytest.approx(expected)
    assert smallest_fisher(Rate(num=0, total=n), Rate(num=0, total=m)) == pytest.approx(expected)


def test_fisher_s_p_adds_up_all_tables_that_are_no_likelier():
    a, b = Rate(num=4, total=6), Rate(num=1, total=7)
    chances = hypergeom(13, 5, 6)
    seen = chances.pmf(4)
    expected = sum(chances.pmf(k) for k in range(6) if chances.pmf(k) <= seen * (1 + 1e-9))
    assert fisher(a, b) == pytest.approx(expected)
    assert fisher(b, a) == pytest.approx(expected)


def test_for_many_arms_fisher_agrees_with_the_chi_square_test():
    table = [[400, 600], [460, 540]]
    p = fisher(Rate(num=400, total=1000), Rate(num=460, total=1000))
    assert p == pytest.approx(chi2_contingency(table).pvalue, rel=0.05)


def test_the_odds_ratio_has_an_exact_interval_that_holds_it():
    found = odds_ratio(Rate(num=1, total=10), Rate(num=8, total=10))
    low, high = found["interval"]
    assert low < found["estimate"] < high


def test_odds_that_are_unbounded_or_undefined_are_null():
    apart = odds_ratio(Rate(num=0, total=5), Rate(num=5, total=5))
    assert apart["estimate"] is None
    assert apart["interval"][0] > 1
    assert apart["interval"][1] is None
    nothing = odds_ratio(Rate(num=0, total=5), Rate(num=0, total=5))
    assert nothing == {"estimate": None, "interval": [0.0, None]}


def test_p_values_are_adjusted_by_benjamini_and_yekutieli():
    harmonic = 1 + 1 / 2 + 1 / 3
    found = adjusted([0.04, None, 0.001, 0.5])
    assert found == pytest.approx(
        [0.04 * 3 / 2 * harmonic, None, 0.001 * 3 * harmonic, 0.5 * harmonic]
    )


def test_a_single_test_needs_no_adjustment_and_none_gives_none():
    assert adjusted([0.03]) == [0.03]
    assert adjusted([None, None]) == [None, None]
    assert adjusted([]) == []


@pytest.mark.parametrize(("p", "told"), [(None, False), (0.05, False), (0.0499, True)])
def test_evidence_is_an_adjusted_p_below_the_level(p, told):
    assert is_evidence(p) is told
