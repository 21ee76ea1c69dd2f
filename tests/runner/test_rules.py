"""Success rules: what can be written, and what a rule says of what was measured."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.config import STATS
from runner.rules import Rule, parse

NUMBERS = sorted(name for name, kind in STATS.items() if kind == "number")
FLAGS = sorted(set(STATS) - set(NUMBERS))

numeric_rules = st.builds(
    Rule,
    stat=st.sampled_from(NUMBERS),
    comparison=st.sampled_from([">=", "<=", ">", "<", "==", "!="]),
    bound=st.floats(allow_nan=False, allow_infinity=False),
)
flag_rules = st.builds(Rule, stat=st.sampled_from(FLAGS), negated=st.booleans())


@settings(derandomize=True, database=None)
@given(numeric_rules | flag_rules)
def test_a_rule_reads_back_as_it_is_written(rule):
    assert parse(str(rule)) == rule


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("amp_ssim >= 0.80", "amp_ssim >= 0.8"),
        ("amp_mae<=.15", "amp_mae <= 0.15"),
        ("  val_loss_best  <  1e-2 ", "val_loss_best < 0.01"),
        ("amp_psnr > -3", "amp_psnr > -3.0"),
        ("collapsed", "collapsed"),
        ("not   has_nan", "not has_nan"),
    ],
)
def test_a_rule_has_one_spelling(text, spelling):
    assert str(parse(text)) == spelling


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("amp_sim >= 0.8", "'amp_sim' is not a statistic; did you mean 'amp_ssim'?"),
        ("zzz", f"'zzz' is not a statistic; known are {', '.join(STATS)}"),
        ("amp_ssim", "'amp_ssim' is a number; compare it, as in 'amp_ssim >= 0.5'"),
        ("not amp_ssim", "'amp_ssim' is a number; compare it, as in 'amp_ssim >= 0.5'"),
        ("collapsed == 1", "'collapsed' is a flag; write 'collapsed' or 'not collapsed'"),
        ("amp_ssim > 1e999", "the bound 1e999 is too large; write a finite number"),
    ],
)
def test_a_rule_that_means_nothing_is_refused_with_the_remedy(text, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "amp_ssim >=", ">= 0.8", "0.8 <= amp_ssim", "amp_ssim = 0.8", "amp_ssim >= nan",
        "amp_ssim >= inf", "amp_ssim >= 0.8 and not collapsed", "amp_ssim >= __import__('os')",
        "amp_ssim >= 0x10", "amp_ssim >= ٣", "not not collapsed", "amp_ssim >= 1_000",
    ],
)  # fmt: skip
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(ValueError, match="not a rule; write '<statistic> <operator> <number>'"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "measured", "holds", "margin"),
    [
        ("amp_ssim >= 0.5", 0.75, True, 0.25),
        ("amp_ssim >= 0.5", 0.5, True, 0.0),
        ("amp_ssim > 0.5", 0.5, False, 0.0),
        ("amp_ssim > 0.5", 0.25, False, -0.25),
        ("amp_mae <= 0.5", 0.25, True, 0.25),
        ("amp_mae < 0.5", 0.5, False, 0.0),
        ("amp_mae < 0.5", 1, False, -0.5),
        ("n_epochs == 20", 20, True, 0.0),
        ("n_epochs == 20", 18, False, -2.0),
        ("n_epochs != 20", 18, True, 2.0),
        ("collapsed", True, True, None),
        ("collapsed", False, False, None),
        ("not collapsed", True, False, None),
        ("not collapsed", False, True, None),
    ],
)
def test_a_rule_is_held_against_what_was_measured(text, measured, holds, margin):
    rule = parse(text)
    result = rule.evaluate({rule.stat: measured, "other": 1})
    assert (result.measured, result.holds, result.margin) == (measured, holds, margin)
    assert result.rule == rule


@settings(derandomize=True, database=None)
@given(numeric_rules, st.floats(allow_nan=False, allow_infinity=False))
def test_a_rule_that_holds_never_has_a_negative_margin(rule, measured):
    result = rule.evaluate({rule.stat: measured})
    assert result.margin >= 0 if result.holds else result.margin <= 0


@pytest.mark.parametrize("measured", [None, "0.9", float("nan"), True, [0.9]])
def test_a_number_that_is_undefined_is_no_success(measured):
    for text in ("amp_ssim >= 0", "amp_ssim != 0"):
        result = parse(text).evaluate({"amp_ssim": measured})
        assert (result.measured, result.margin, result.holds) == (None, None, None)


@pytest.mark.parametrize("stats", [{}, {"collapsed": None}, {"collapsed": 0}, {"collapsed": "no"}])
def test_a_flag_that_is_undefined_is_no_success(stats):
    for text in ("collapsed", "not collapsed"):
        assert parse(text).evaluate(stats).holds is None
