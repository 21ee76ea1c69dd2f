"""Exact tests against SciPy's, against plain enumeration, and against what was published."""

import itertools
import random
from fractions import Fraction
from math import comb

import pytest
from scipy import stats

from models.exact import (
    Counts,
    Effect,
    benjamini_yekutieli,
    boschloo,
    find_rate,
    find_rate_of,
    fisher,
    holm,
    stratified,
)
from models.exact.bernstein import largest


def counts(a, n, b, m):
    return Counts(hits=(a, b), runs=(n, m))


def tables(number, most):
    draw = random.Random(20261121)
    for _ in range(number):
        n, m = draw.randint(1, most), draw.randint(1, most)
        yield draw.randint(0, n), n, draw.randint(0, m), m


# --- one table -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sides", ["two-sided", "less", "greater"])
def test_boschloo_is_that_of_scipy(sides):
    for a, n, b, m in tables(40, 14):
        theirs = stats.boschloo_exact([[a, b], [n - a, m - b]], alternative=sides, n=128).pvalue
        assert boschloo(counts(a, n, b, m), sides) == pytest.approx(theirs, abs=1e-6), (a, n, b, m)


def test_fisher_is_that_of_scipy():
    for a, n, b, m in tables(200, 30):
        theirs = stats.fisher_exact([[a, b], [n - a, m - b]]).pvalue
        assert fisher(counts(a, n, b, m)) == pytest.approx(theirs, rel=1e-9)


def test_fishers_test_of_thousands_of_runs_is_that_of_scipy():
    theirs = stats.fisher_exact([[40, 90], [3960, 3910]]).pvalue
    assert fisher(counts(40, 4000, 90, 4000)) == pytest.approx(theirs, rel=1e-9)


def test_the_size_keeps_to_the_level_at_every_common_rate():
    for runs, level in itertools.product([(5, 5), (4, 9), (10, 10)], [0.05, 0.025]):
        sizes = [
            find_rate(Effect(rates=(rate / 200, rate / 200)), runs, level, "two-sided")
            for rate in range(201)
        ]
        assert max(sizes) <= level * (1 + 1e-9)


def test_it_rejects_wherever_fisher_one_sided_does_and_more_often():
    more = 0
    for x, y in itertools.product(range(11), repeat=2):
        ways = [comb(10, k) * comb(10, x + y - k) for k in range(max(0, x + y - 10), 11)
                if x + y - k >= 0]  # fmt: skip
        tail = sum(comb(10, k) * comb(10, x + y - k) for k in range(x, min(10, x + y) + 1))
        conditional = tail / sum(ways)
        mine = boschloo(counts(x, 10, y, 10), "greater")
        assert mine <= conditional + 1e-12
        more += conditional > 0.05 >= mine
    assert more > 0


def test_the_largest_value_of_a_polynomial_is_found_between_any_grid():
    narrow = [0.0] * 400
    narrow[7] = 1.0  # peak at t = 7/399
    peak = comb(399, 7) * (7 / 399) ** 7 * (392 / 399) ** 392
    assert peak <= largest(narrow) * (1 + 1e-12)
    assert largest(narrow) == pytest.approx(peak, rel=2e-9)
    assert largest([0.3]) == 0.3
    assert largest([1.0, 0.0, 1.0]) == 1.0


def test_the_most_extreme_table_has_a_p_that_can_be_told_by_hand():
    # Both tails at a common rate of one half: 2·(1/2)^(n + m).
    assert boschloo(counts(5, 5, 0, 5)) == 2 * 0.5**10
    assert boschloo(counts(20, 20, 0, 20)) == pytest.approx(2 * 0.5**40)


def test_swapping_groups_swaps_the_sides():
    for a, n, b, m in tables(20, 12):
        assert boschloo(counts(a, n, b, m), "less") == boschloo(counts(b, m, a, n), "greater")


@pytest.mark.parametrize("bad", [(3, 2, 0, 2), (-1, 2, 0, 2), (0, 0, 0, 2)])
def test_counts_that_there_cannot_be_are_refused(bad):
    with pytest.raises(ValueError, match="expected 0 ≤ hits ≤ runs"):
        counts(*bad)


# --- strata --------------------------------------------------------------------------------------


def enumerated(strata):
    """The exact conditional p, by walking through every combination of tables."""
    per = []
    for one in strata:
        total, (n, m) = one.total, one.runs
        xs = range(max(0, total - m), min(n, total) + 1)
        whole = comb(n + m, total)
        per.append([(x, Fraction(comb(n, x) * comb(m, total - x), whole)) for x in xs])
    found = {}
    for cells in itertools.product(*per):
        weight = Fraction(1)
        for _, share in cells:
            weight *= share
        place = sum(x for x, _ in cells)
        found[place] = found.get(place, 0) + weight
    observed = found[sum(one.hits[0] for one in strata)]
    return float(sum(weight for weight in found.values() if weight <= observed))


def test_the_stratified_p_is_that_of_all_combinations():
    drawn = iter(tables(60, 6))
    for _ in range(20):
        strata = [counts(*next(drawn)) for _ in range(3)]
        assert stratified(strata) == pytest.approx(enumerated(strata), rel=1e-12)


def test_one_stratum_is_fishers_test_and_none_is_no_test():
    for table in tables(50, 12):
        assert stratified([counts(*table)]) == fisher(counts(*table))
    assert stratified([]) is None


def test_a_setting_in_which_all_are_alike_adds_nothing():
    telling, silent = counts(4, 5, 0, 5), counts(0, 5, 0, 5)
    assert stratified([telling, silent]) == stratified([telling]) == pytest.approx(1 / 21)
    assert stratified([telling, counts(5, 5, 5, 5)]) == stratified([telling])


def test_strata_that_contradict_each_other_cancel():
    assert stratified([counts(5, 5, 0, 5), counts(0, 5, 5, 5)]) == 1.0


def test_settings_of_other_sizes_are_not_mixed():
    """Simpson's paradox: within each setting the rates are equal, pooled they are not."""
    strata = [counts(9, 10, 27, 30), counts(3, 30, 1, 10)]
    assert stratified(strata) == pytest.approx(1.0)
    assert fisher(counts(12, 40, 28, 40)) < 0.001


# --- several -------------------------------------------------------------------------------------


def test_holm_steps_down_in_the_order_given():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.04, 0.01]) == pytest.approx([0.04, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_benjamini_and_yekutieli_are_those_of_scipy():
    draw = random.Random(1)
    for number in (1, 2, 7, 30):
        p_values = [draw.random() ** 3 for _ in range(number)]
        theirs = stats.false_discovery_control(p_values, method="by")
        assert benjamini_yekutieli(p_values) == pytest.approx(list(theirs))


# --- power ---------------------------------------------------------------------------------------


def powers(rate, sizes, level):
    return [find_rate(Effect(rates=(rate, 0.0)), (n, n), level, "two-sided") for n in sizes]


def test_ten_seeds_a_cell_find_six_tenths_and_sixteen_find_four_with_two_contrasts():
    before, enough = powers(0.6, (9, 10), 0.05 / 2)
    assert before < 0.8 <= enough == pytest.approx(0.834, abs=5e-4)
    before, enough = powers(0.4, (15, 16), 0.05 / 2)
    assert before < 0.8 <= enough == pytest.approx(0.833, abs=5e-4)


def test_fisher_after_benjamini_and_yekutieli_over_twelve_needs_seventeen_and_thirty():
    level = 0.05 / (12 * sum(1 / rank for rank in range(1, 13)))
    for rate, size in ((0.6, 17), (0.4, 30)):
        before, enough = (
            find_rate_of(fisher, Effect(rates=(rate, 0.0)), (n, n), level) for n in (size - 1, size)
        )
        assert before < 0.8 <= enough


def test_power_is_the_share_of_drawn_tables_that_are_found():
    effect, runs = Effect(rates=(0.7, 0.2)), (8, 6)
    total = 0.0
    for x, y in itertools.product(range(9), range(7)):
        chance = stats.binom.pmf(x, 8, 0.7) * stats.binom.pmf(y, 6, 0.2)
        total += chance * (boschloo(Counts(hits=(x, y), runs=runs)) <= 0.05)
    assert find_rate(effect, runs, 0.05, "two-sided") == pytest.approx(total)


def test_a_one_sided_test_looks_on_its_side_alone():
    effect = Effect(rates=(0.9, 0.1))
    assert find_rate(effect, (10, 10), 0.05, "greater") > 0.9
    assert find_rate(effect, (10, 10), 0.05, "less") < 1e-6
