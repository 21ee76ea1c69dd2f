"""The knobs of a matrix: how often arms collapse at each value, over all other knobs and within."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scipy import stats

from models.config.summary import Knob, Summary, SummaryFactor
from models.exact import stratified
from models.summary import wording
from models.summary.comparisons import Group
from models.summary.rates import Rate, adjusted, counts, fisher, is_evidence

DEATHS = ("decoder_share_not_positive", "last_decoder_share_not_positive")
"""The statistics that tell how much of the decoder, and of its last level, is dead."""


def summarise_factors(summary: Summary, groups: Sequence[Group]) -> list[dict[str, Any]]:
    """One table for each knob of a matrix; p-values are adjusted over all knobs."""
    pooled = [pool(factor, groups) for factor in summary.factors]
    made = [test_within(factor, groups) for factor in summary.factors]
    final = adjusted(made)
    return [
        {
            "knob": factor.knob,
            "phase": factor.phase,
            "hub": factor.hub,
            "values": rows(factor.values, rates),
            "p_value": p_value,
            "p_adjusted": p_adjusted,
            "evidence": is_evidence(p_adjusted),
            "strata": strata(summary, factor, groups),
            "words": wording.factor(
                factor.knob,
                {spelled(value): rate for value, rate in zip(factor.values, rates, strict=True)},
                p_value,
                p_adjusted,
                len(pooled),
            ),
        }
        for factor, rates, p_value, p_adjusted in zip(
            summary.factors, pooled, made, final, strict=True
        )
    ]


def pool(factor: SummaryFactor, groups: Sequence[Group]) -> list[Rate]:
    """The rate at each value, over all settings of the other knobs."""
    return [
        total([groups[stratum[place]].rate for stratum in factor.strata])
        for place in range(len(factor.values))
    ]


def total(rates: Sequence[Rate]) -> Rate:
    """All arms of several groups together."""
    return Rate(num=sum(rate.num for rate in rates), total=sum(rate.total for rate in rates))


def test_within(factor: SummaryFactor, groups: Sequence[Group]) -> float | None:
    """The exact stratified p for two values: settings of the other knobs are not mixed.

    A setting in which a value has no arm that counts says nothing.
    """
    if len(factor.values) != 2:
        return None
    pairs = [(groups[one].rate, groups[other].rate) for one, other in factor.strata]
    return stratified([counts(a, b) for a, b in pairs if a.total and b.total])


def test(rates: Sequence[Rate]) -> float | None:
    """Fisher's p for two values; for more none, as their pairs are compared one by one."""
    if len(rates) != 2 or not all(rate.total for rate in rates):
        return None
    return fisher(*rates)


def rows(values: Sequence[Knob], rates: Sequence[Rate]) -> list[dict[str, Any]]:
    """A row for each value."""
    return [
        {"value": value, "num_arms": rate.total, "num_collapsed": rate.num, **rate.table()}
        for value, rate in zip(values, rates, strict=True)
    ]


def strata(
    summary: Summary, factor: SummaryFactor, groups: Sequence[Group]
) -> list[dict[str, Any]]:
    """The same within each setting of the other knobs."""
    return [
        {
            "others": {knob: summary.groups[stratum[0]].knobs.get(knob) for knob in factor.others},
            "values": rows(factor.values, [groups[place].rate for place in stratum]),
            "p_value": test([groups[place].rate for place in stratum]),
        }
        for stratum in factor.strata
    ]


def spelled(value: Knob) -> str:
    """A knob's value in a sentence."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def dead_decoders(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Shares of decoder pre-activations ≤ 0 of collapsed arms against all others.

    ``probability_above`` is the share of pairs in which the collapsed arm has the larger value,
    ties counted half. What no arm measured is left out.
    """
    return [found for stat in DEATHS if (found := dead_against_alive(groups, stat))]


def dead_against_alive(groups: Sequence[Group], stat: str) -> dict[str, Any] | None:
    """One statistic of collapsed arms against that of all others."""
    runs = [run for group in groups for run in group.runs]
    measured = [(value, run.collapsed) for run in runs if (value := run.measured(stat)) is not None]
    if not measured:
        return None
    dead = [value for value, collapsed in measured if collapsed]
    alive = [value for value, collapsed in measured if not collapsed]
    return {
        "statistic": stat,
        "collapsed": extent(dead),
        "not_collapsed": extent(alive),
        "probability_above": above(dead, alive) if dead and alive else None,
    }


def extent(values: Sequence[float]) -> dict[str, float] | None:
    """Number and range of values."""
    return {"n": len(values), "min": min(values), "max": max(values)} if values else None


def above(dead: Sequence[float], alive: Sequence[float]) -> float:
    """Mann and Whitney's U as a share of all pairs."""
    return float(stats.mannwhitneyu(dead, alive).statistic) / (len(dead) * len(alive))
