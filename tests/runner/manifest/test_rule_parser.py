"""Success rules: what can be written, in which one spelling, and what is refused where."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.config import STATS
from runner.manifest.rule_parser import DEEPEST, LONGEST, parse
from runner.manifest.rules import HOLDS, AllOf, AnyOf, Flag, Not, StatComparison

NUMBERS = sorted(name for name, kind in STATS.items() if kind == "number")
FLAGS = sorted(set(STATS) - set(NUMBERS))

comparisons = st.builds(
    StatComparison,
    st.sampled_from(NUMBERS),
    st.sampled_from(sorted(HOLDS)),
    st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(NUMBERS),
)
rules = st.recursive(
    comparisons | st.builds(Flag, st.sampled_from(FLAGS)),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(AllOf, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=6,
)


@settings(derandomize=True, database=None)
@given(rules.filter(lambda rule: len(str(rule)) <= LONGEST))
def test_a_rule_reads_back_as_it_is_written(rule):
    assert parse(str(rule)) == rule


@settings(derandomize=True, database=None)
@given(rules.filter(lambda rule: len(str(rule)) <= LONGEST // 3), st.data())
def test_blanks_change_nothing(rule, data):
    words = re.findall(r"[\w.+-]+|[<>=!]+|[()]", str(rule))
    blanks = st.sampled_from([" ", "  ", "\t", "\n"])
    text = "".join(word + data.draw(blanks) for word in words)
    assert parse(text) == rule


@settings(derandomize=True, database=None)
@given(st.text(alphabet="amp_si collapsed>=<!()andortn0.85e-", max_size=40) | st.text(max_size=40))
def test_every_other_text_is_refused_with_a_column_inside_it(text):
    try:
        parse(text)
    except ValueError as error:
        column = int(re.match(r"column (\d+): ", str(error))[1])
        assert 1 <= column <= len(text) + 1


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("amp_ssim >= 0.80", "amp_ssim >= 0.8"),
        ("amp_mae<=.15", "amp_mae <= 0.15"),
        ("  val_loss_best  <  1e-2 ", "val_loss_best < 0.01"),
        ("amp_psnr > -3", "amp_psnr > -3.0"),
        ("amp_ssim>constant_amp_ssim", "amp_ssim > constant_amp_ssim"),
        ("collapsed", "collapsed"),
        ("not   has_nan", "not has_nan"),
        ("not not has_nan", "not not has_nan"),
        ("(amp_ssim >= 0.8)and(not collapsed)", "amp_ssim >= 0.8 and not collapsed"),
        (
            "collapsed or has_nan and amp_ssim > 0",
            "collapsed or has_nan and amp_ssim > 0.0",
        ),
        (
            "(collapsed or has_nan) and amp_ssim > 0",
            "(collapsed or has_nan) and amp_ssim > 0.0",
        ),
        ("not (collapsed or has_nan)", "not (collapsed or has_nan)"),
        ("not amp_ssim > .5 and collapsed", "not amp_ssim > 0.5 and collapsed"),
    ],
)
def test_a_rule_has_one_spelling(text, spelling):
    assert str(parse(text)) == spelling


def test_and_binds_closer_than_or_and_not_closer_than_both():
    collapsed, nan = Flag("collapsed"), Flag("has_nan")
    assert parse("collapsed or has_nan and not collapsed") == AnyOf(
        (collapsed, AllOf((nan, Not(collapsed))))
    )
    assert parse("not collapsed or has_nan") == AnyOf((Not(collapsed), nan))


KNOWN = ", ".join(STATS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("amp_sim >= 0.8", "column 1: 'amp_sim' is not a statistic; did you mean 'amp_ssim'?"),
        ("collapsed and zzz", f"column 15: 'zzz' is not a statistic; known are {KNOWN}"),
        (
            "not amp_ssim",
            "column 5: 'amp_ssim' is a number; compare it, as in 'amp_ssim >= 0.5'",
        ),
        (
            "collapsed == 1",
            "column 1: 'collapsed' is a flag; write 'collapsed' or 'not collapsed'",
        ),
        ("amp_ssim > collapsed", "column 12: 'collapsed' is a flag and no bound"),
        ("amp_ssim > 1e999", "column 12: 1e999 is too large; write a finite number"),
        ("", "column 1: expected a statistic, 'not' or '(', not the end"),
        ("  ", "column 1: expected a statistic, 'not' or '(', not the end"),
        (
            "amp_ssim >= and collapsed",
            "column 13: expected a number or a statistic after '>=', not 'and'",
        ),
        ("amp_ssim >= ", "column 12: expected a number or a statistic after '>=', not the end"),
        (">= 0.8", "column 1: expected a statistic, 'not' or '(', not '>='"),
        (
            "0.8 <= amp_ssim",
            "column 1: write the statistic first, as in 'amp_ssim >= 0.8'",
        ),
        ("amp_ssim = 0.8", "column 10: '=' has no meaning in a rule; write '=='"),
        ("collapsed && has_nan", "column 11: '&&' has no meaning in a rule; write 'and'"),
        ("!collapsed", "column 1: '!' has no meaning in a rule; write 'not'"),
        ("amp_ssim => 0.85", "column 10: '=>' has no meaning in a rule; write '>='"),
        ("amp_ssim =< 0.85", "column 10: '=<' has no meaning in a rule; write '<='"),
        ("amp_ssim > = 0.85", "column 10: '> =' has no meaning in a rule; write '>='"),
        ("amp_ssim >== 0.85", "column 10: '>==' has no meaning in a rule; write '>='"),
        ("amp_ssim ≥ 0.85", "column 10: '≥' has no meaning in a rule; write '>='"),
        ("amp_ssim <> 0.85", "column 10: '<>' has no meaning in a rule; write '!='"),
        ("amp_ssim === 0.85", "column 10: '===' has no meaning in a rule; write '=='"),
        ("collapsed & has_nan", "column 11: '&' has no meaning in a rule; write 'and'"),
        ("collapsed || has_nan", "column 11: '||' has no meaning in a rule; write 'or'"),
        ("collapsed | has_nan", "column 11: '|' has no meaning in a rule; write 'or'"),
        ("collapsed AND has_nan", "column 11: 'AND' has no meaning in a rule; write 'and'"),
        ("Not collapsed", "column 1: 'Not' has no meaning in a rule; write 'not'"),
        ("amp_ssim >= 0,85", "column 13: '0,85' has no meaning in a rule; write '0.85'"),
        ("amp_ssim >= -1,5e-3", "column 13: '-1,5e-3' has no meaning in a rule; write '-1.5e-3'"),
        ("amp_ssim >= 85%", "column 13: '85%' has no meaning in a rule; write '0.85'"),
        ("amp_ssim >= 2.5 %", "column 13: '2.5 %' has no meaning in a rule; write '0.025'"),
        ("collapsed % has_nan", "column 11: '%' has no meaning in a rule"),
        ("amp_ssim >= 0x10", "column 13: '0x10' has no meaning in a rule"),
        ("amp_ssim >= 1_000", "column 13: '1_000' has no meaning in a rule"),
        ("amp_ssim >= \u0663", "column 13: '\u0663' has no meaning in a rule"),
        ("amp_ssim >= inf", f"column 13: 'inf' is not a statistic; known are {KNOWN}"),
        ("amp_ssim >= f('os')", "column 15: ''' has no meaning in a rule"),
        ("collapsed has_nan", "column 11: expected 'and', 'or' or the end, not 'has_nan'"),
        (
            "(collapsed or (has_nan)",
            "column 24: expected 'and', 'or' or the ')' that belongs to the '(' of column 1, not "
            "the end",
        ),
        ("collapsed)", "column 10: expected 'and', 'or' or the end, not ')'"),
        ("amp_ssim > 0.1 <= 0.5", "column 16: expected 'and', 'or' or the end, not '<='"),
    ],
)
def test_what_is_no_rule_is_refused_with_column_and_remedy(text, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse(text)


def test_rules_that_nobody_could_read_are_refused():
    with pytest.raises(ValueError, match=f"^a rule has at most {LONGEST} characters, this one "):
        parse(" and ".join(["collapsed"] * 100))
    deep = "(" * (DEEPEST + 1) + "collapsed" + ")" * (DEEPEST + 1)
    with pytest.raises(ValueError, match=r"^column 34: more than 32 levels; write it flatter$"):
        parse(deep)
    assert parse(deep[1:-1]) == Flag("collapsed")
