"""Pairs of groups: how often each collapses, how far their scores lie apart, and what that says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.config.summary import Summary, SummaryPair
from models.summary import wording
from models.summary.rates import (
    Rate,
    adjusted,
    fisher,
    is_evidence,
    odds_ratio,
    smallest_fisher,
)
from models.summary.runs import Run
from models.summary.spreads import Values, difference, smallest_p

METRICS = (
    "amp_ssim",
    "amp_mae",
    "phase_aligned_ssim",
    "phase_aligned_mae",
    "phase_ssim",
    "phase_mae",
    "val_loss_best",
    "val_loss_final",
)
"""The scores that are compared."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """The runs of a group that count."""

    label: str
    runs: tuple[Run, ...]

    @property
    def rate(self) -> Rate:
        """How many of them collapsed."""
        return Rate(num=sum(run.collapsed for run in self.runs), total=len(self.runs))

    def values(self, metric: str, *, only_sound: bool = False) -> Values:
        """The scores that mean something; of runs that did not collapse if ``only_sound``."""
        runs = (run for run in self.runs if not (only_sound and run.collapsed))
        return [value for run in runs if (value := run.measured(metric)) is not None]


def groups_of(summary: Summary, runs: Sequence[Run]) -> tuple[Group, ...]:
    """The groups of a summary with their runs."""
    return tuple(
        Group(label=group.label, runs=tuple(run for run in runs if run.group == place))
        for place, group in enumerate(summary.groups)
    )


def compare(summary: Summary, groups: Sequence[Group], seed: int) -> list[dict[str, Any]]:
    """One table for each pair; p-values are adjusted over all pairs, for each question apart."""
    pairs = [(groups[pair.groups[0]], groups[pair.groups[1]]) for pair in summary.pairs]
    collapses = compare_collapses(pairs)
    scores = {metric: compare_scores(pairs, metric, seed) for metric in METRICS}
    return [
        {
            "groups": [a.label, b.label],
            "places": list(pair.groups),
            "knobs": list(pair.knobs),
            "controlled": is_controlled(pair),
            "collapse": collapses[place],
            "metrics": {metric: rows[place] for metric, rows in scores.items()},
        }
        for place, (pair, (a, b)) in enumerate(zip(summary.pairs, pairs, strict=True))
    ]


def is_controlled(pair: SummaryPair) -> bool:
    """Whether the plans differ in one knob, so that a difference can be attributed to it."""
    return len(pair.knobs) == 1


def compare_collapses(pairs: Sequence[tuple[Group, Group]]) -> list[dict[str, Any]]:
    """For each pair the two rates, Fisher's p, raw and adjusted, and the odds ratio."""
    rates = [(a.rate, b.rate) for a, b in pairs]
    made = [fisher(a, b) if a.total and b.total else None for a, b in rates]
    final = adjusted(made)
    return [
        {
            "arms": [rates[place][0].total, rates[place][1].total],
            "collapsed": [rates[place][0].num, rates[place][1].num],
            **collapse_numbers(*rates[place]),
            "p_value": made[place],
            "p_adjusted": final[place],
            "evidence": is_evidence(final[place]),
            "words": wording.collapse(
                (a.label, b.label), rates[place], made[place], final[place], len(pairs)
            ),
        }
        for place, (a, b) in enumerate(pairs)
    ]


def collapse_numbers(a: Rate, b: Rate) -> dict[str, Any]:
    """Difference of the rates and odds ratio, ``b`` against ``a``; the smallest p possible."""
    if not (a.total and b.total):
        return dict.fromkeys(("difference", "odds_ratio", "smallest_p_possible"))
    return {
        "difference": b.num / b.total - a.num / a.total,
        "odds_ratio": odds_ratio(a, b),
        "smallest_p_possible": smallest_fisher(a, b),
    }


def compare_scores(
    pairs: Sequence[tuple[Group, Group]], metric: str, seed: int
) -> list[dict[str, Any]]:
    """For each pair how far one score lies apart: of all runs, and of those not collapsed."""
    every, sound = (score_rows(pairs, metric, seed, only_sound=only) for only in (False, True))
    return [{**row, "not_collapsed": other} for row, other in zip(every, sound, strict=True)]


def score_rows(
    pairs: Sequence[tuple[Group, Group]], metric: str, seed: int, *, only_sound: bool
) -> list[dict[str, Any]]:
    """The rows of one score over one selection of runs."""
    rows = [
        difference(
            a.values(metric, only_sound=only_sound), b.values(metric, only_sound=only_sound), seed
        )
        for a, b in pairs
    ]
    final = adjusted([row["p_value"] for row in rows])
    return [
        {**row, **judged(row, p_adjusted, metric, (a.label, b.label), len(pairs))}
        for row, p_adjusted, (a, b) in zip(rows, final, pairs, strict=True)
    ]


def judged(
    row: Mapping[str, Any],
    p_adjusted: float | None,
    metric: str,
    labels: tuple[str, str],
    num_pairs: int,
) -> dict[str, Any]:
    """What a row says."""
    evidence = is_evidence(p_adjusted)
    return {
        "smallest_p_possible": smallest_p(*row["n"]) if all(row["n"]) else None,
        "p_adjusted": p_adjusted,
        "evidence": evidence,
        "words": wording.score(metric, labels, row, p_adjusted, num_pairs, evidence=evidence),
    }
