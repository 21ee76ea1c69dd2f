"""What a rule says of what was measured: whether it holds, by how much, and what decides."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.manifest.rule_parser import parse
from runner.manifest.rules import HOLDS, AllOf, AnyOf, Flag, Not, StatComparison, values

finite = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("text", "measured", "holds", "margin"),
    [
        ("amp_ssim >= 0.5", 0.75, True, 0.25),
        ("amp_ssim >= 0.5", 0.5, True, 0.0),
        ("amp_ssim > 0.5", 0.5, False, 0.0),
        ("amp_ssim > 0.5", 0.25, False, -0.25),
        ("amp_ssim <= 0.5", 0.25, True, 0.25),
        ("amp_ssim < 0.5", 0.5, False, 0.0),
        ("amp_ssim < 0.5", 1, False, -0.5),
        ("amp_ssim == 20", 20, True, 0.0),
        ("amp_ssim == 20", 18, False, -2.0),
        ("amp_ssim != 20", 18, True, 2.0),
        ("not amp_ssim >= 0.5", 0.75, False, -0.25),
        ("not not amp_ssim >= 0.5", 0.75, True, 0.25),
    ],
)
def test_a_comparison_is_held_against_what_was_measured(text, measured, holds, margin):
    outcome = parse(text).evaluate({"amp_ssim": measured, "other": 1})
    assert (outcome.measured, outcome.holds, outcome.margin) == (measured, holds, margin)


@pytest.mark.parametrize("collapsed", [True, False])
def test_a_flag_has_no_margin(collapsed):
    stats = {"collapsed": collapsed}
    plain, negated = (parse(text).evaluate(stats) for text in ("collapsed", "not collapsed"))
    assert (plain.holds, plain.margin, plain.measured) == (collapsed, None, collapsed)
    assert (negated.holds, negated.margin, negated.measured) == (not collapsed, None, collapsed)
    assert (plain.decided_by, negated.decided_by) == ("collapsed", "not collapsed")


def test_a_statistic_can_be_the_bound():
    rule, stats = parse("amp_ssim > constant_amp_ssim"), {"amp_ssim": 0.75}
    outcome = rule.evaluate(stats | {"constant_amp_ssim": 0.25})
    assert (outcome.holds, outcome.margin, outcome.measured) == (True, 0.5, 0.75)
    assert rule.evaluate(stats).holds is None
    assert values(rule, stats) == {"amp_ssim": 0.75, "constant_amp_ssim": None}


numeric = st.builds(StatComparison, st.just("amp_ssim"), st.sampled_from(sorted(HOLDS)), finite)


@settings(derandomize=True, database=None)
@given(numeric, finite)
def test_a_rule_that_holds_never_has_a_negative_margin(rule, measured):
    for one in (rule, Not(rule)):
        outcome = one.evaluate({"amp_ssim": measured})
        assert outcome.margin >= 0 if outcome.holds else outcome.margin <= 0


@pytest.mark.parametrize("measured", [None, "0.9", math.nan, math.inf, True, [0.9], 10**400])
def test_a_number_that_is_undefined_is_no_success(measured):
    for text in ("amp_ssim >= 0", "amp_ssim != 0", "not amp_ssim >= 0", "not amp_ssim < 0"):
        outcome = parse(text).evaluate({"amp_ssim": measured})
        assert (outcome.measured, outcome.margin, outcome.holds) == (None, None, None)


@pytest.mark.parametrize("stats", [{}, {"collapsed": None}, {"collapsed": 0}, {"collapsed": "no"}])
def test_a_flag_that_is_undefined_is_no_success(stats):
    for text in ("collapsed", "not collapsed"):
        assert parse(text).evaluate(stats).holds is None


# --- several conditions --------------------------------------------------------------------------

A, B = Flag("collapsed"), Flag("has_nan")
TRUTH = (True, False, None)


@pytest.mark.parametrize(("a", "b"), list(itertools.product(TRUTH, TRUTH)))
def test_the_truth_tables_are_kleenes(a, b):
    """Written down a second time with false < undefined < true."""
    rank = {False: 0, None: 1, True: 2}
    word = {value: key for key, value in rank.items()}
    stats = {"collapsed": a, "has_nan": b}
    assert AllOf((A, B)).evaluate(stats).holds is word[min(rank[a], rank[b])]
    assert AnyOf((A, B)).evaluate(stats).holds is word[max(rank[a], rank[b])]
    assert Not(A).evaluate(stats).holds is word[2 - rank[a]]


SCORES = {"amp_ssim": 0.9, "amp_mae": 0.2, "n_epochs": 20, "collapsed": False}


@pytest.mark.parametrize(
    ("text", "holds", "margin", "decided_by"),
    [
        # 0.9 is 12.5 % above its bound, 20 is 100 % above: the score is nearer to failing
        ("n_epochs >= 10 and amp_ssim >= 0.8", True, 0.1, "amp_ssim >= 0.8"),
        # flags are beyond all comparisons, whether they hold or fail
        ("not collapsed and amp_ssim >= 0.8", True, 0.1, "amp_ssim >= 0.8"),
        ("collapsed and amp_ssim >= 0.95", False, None, "collapsed"),
        # of what fails, that which fails most decides
        ("amp_ssim >= 0.95 and amp_mae <= 0.1", False, -0.1, "amp_mae <= 0.1"),
        ("amp_ssim >= 0.95 or amp_mae <= 0.1", False, -0.05, "amp_ssim >= 0.95"),
        # of what holds, that which holds by most
        ("amp_ssim >= 0.8 or n_epochs >= 10", True, 10.0, "n_epochs >= 10.0"),
        ("not collapsed or amp_ssim >= 0.8", True, None, "not collapsed"),
        ("collapsed or amp_ssim >= 0.8", True, 0.1, "amp_ssim >= 0.8"),
        # the opposite turns the margin round, and so what is nearest
        ("not (amp_ssim >= 0.8 and n_epochs >= 10)", False, -0.1, "amp_ssim >= 0.8"),
        ("not amp_ssim >= 0.8 or collapsed", False, -0.1, "not amp_ssim >= 0.8"),
        # what is undefined decides only where it matters
        ("amp_ssim >= 0.8 and phase_ssim >= 0.8", None, None, "phase_ssim >= 0.8"),
        ("amp_ssim >= 0.95 and phase_ssim >= 0.8", False, -0.05, "amp_ssim >= 0.95"),
        ("amp_ssim >= 0.8 or phase_ssim >= 0.8", True, 0.1, "amp_ssim >= 0.8"),
        ("not collapsed or collapse_epoch <= 7", True, None, "not collapsed"),
    ],
)
def test_the_margin_is_that_of_what_decides(text, holds, margin, decided_by):
    outcome = parse(text).evaluate(SCORES)
    assert outcome.holds is holds
    assert outcome.margin == (None if margin is None else pytest.approx(margin))
    assert outcome.decided_by == decided_by


def test_every_statistic_of_a_rule_is_reported():
    rule = parse("amp_ssim >= 0.8 and not (collapsed or phase_ssim < 0.5) or amp_ssim > amp_mae")
    assert values(rule, SCORES) == {
        "amp_ssim": 0.9, "collapsed": False, "phase_ssim": None, "amp_mae": 0.2,
    }  # fmt: skip


rules = st.recursive(
    st.builds(
        StatComparison,
        st.sampled_from(["amp_ssim", "amp_mae", "n_epochs", "phase_ssim"]),
        st.sampled_from(sorted(HOLDS)),
        st.sampled_from([-1.0, 0.0, 0.2, 0.9, 20.0]),
    )
    | st.just(A),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(AllOf, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=8,
)


def truth(rule, stats):
    """Kleene's logic on numbers: 0, ½ and 1, with min, max and 1 − x."""
    match rule:
        case Not(operand):
            return 1 - truth(operand, stats)
        case AllOf(operands):
            return min(truth(operand, stats) for operand in operands)
        case AnyOf(operands):
            return max(truth(operand, stats) for operand in operands)
    holds = rule.evaluate(stats).holds
    return 0.5 if holds is None else float(holds)


@settings(derandomize=True, database=None)
@given(rules)
def test_any_rule_follows_kleene_and_its_margin_has_the_sign_of_its_outcome(rule):
    outcome = rule.evaluate(SCORES)
    assert truth(rule, SCORES) == {True: 1.0, False: 0.0, None: 0.5}[outcome.holds]
    if outcome.holds is None:
        assert outcome.margin is None
    elif outcome.margin is not None:
        assert outcome.margin >= 0 if outcome.holds else outcome.margin <= 0


@settings(derandomize=True, database=None)
@given(rules)
def test_what_is_undefined_is_decided_by_nothing_that_was_measured(rule):
    """Whatever value the missing score had, a rule that is decided without it stays so."""
    decided = rule.evaluate(SCORES).holds
    if decided is not None:
        for score in (-2.0, 0.2, 0.5, 30.0):
            assert rule.evaluate(SCORES | {"phase_ssim": score}).holds is decided
