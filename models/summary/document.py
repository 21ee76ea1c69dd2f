"""``statistics.json``: everything that several arms say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from models.config.summary import Summary, SummaryGroup
from models.summary.comparisons import METRICS, Group, compare, groups_of
from models.summary.factors import dead_decoders, summarise_factors
from models.summary.rates import CONFIDENCE
from models.summary.runs import Run
from models.summary.spreads import FEWEST_FOR_INTERVAL, NUM_RESAMPLES, spread

METHODS = {
    "collapsed": "flat: std/mean of the stitched amplitude below 0.001, whatever else an earlier "
    "definition called a collapse",
    "collapse_interval": "Wilson score interval (scipy.stats.binomtest)",
    "collapse": "Fisher's exact test, two-sided; odds ratio with its exact conditional interval "
    "(scipy.stats.contingency.odds_ratio)",
    "factors": "exact test of a common odds ratio of 1 over the settings of the other knobs, "
    "two-sided (Birch 1964; the exact form of Cochran's and Mantel and Haenszel's test); within a "
    "setting Fisher's",
    "scores": "Mann-Whitney test, two-sided (scipy.stats.mannwhitneyu); percentile bootstrap of "
    f"the difference of medians, {NUM_RESAMPLES} resamples (scipy.stats.bootstrap), from "
    f"{FEWEST_FOR_INTERVAL} runs in each group",
    "adjustment": "Benjamini-Yekutieli over all comparisons of one question, valid however they "
    "depend on each other",
    "standing": "exploratory: what was registered before the run is tested apart, by Boschloo's "
    "test with Holm's adjustment",
    "evidence": "an adjusted p below 0.05",
    "difference": "second group less first group",
}


def statistics(summary: Summary, runs: Sequence[Run], seed: int) -> dict[str, Any]:
    """The content of ``statistics.json``; ``seed`` draws the resamples."""
    groups = groups_of(summary, runs)
    return {
        "schema_version": 1,
        "confidence": CONFIDENCE,
        "seed": seed,
        "methods": METHODS,
        "groups": [
            described(facts, group) for facts, group in zip(summary.groups, groups, strict=True)
        ],
        "num_comparisons": len(summary.pairs),
        "comparisons": compare(summary, groups, seed),
        "factors": summarise_factors(summary, groups),
        "dead_decoders": dead_decoders(groups),
        "notes": list(summary.notes),
    }


def described(facts: SummaryGroup, group: Group) -> dict[str, Any]:
    """One group: what it is, how often it collapsed, how its scores spread."""
    counted = {run.name for run in group.runs}
    return {
        **facts.model_dump(mode="json", exclude={"arms"}),
        "arms": [arm.name for arm in facts.arms if arm.name in counted],
        "seeds": [arm.seed for arm in facts.arms if arm.name in counted],
        "not_counted": [
            {"name": arm.name, "seed": arm.seed, "status": arm.status}
            for arm in facts.arms
            if arm.name not in counted
        ],
        "num_arms": group.rate.total,
        "num_collapsed": group.rate.num,
        "arms_collapsed": [run.name for run in group.runs if run.collapsed],
        "other_outcomes": Counter(run.shortcoming for run in group.runs if run.shortcoming),
        **group.rate.table(),
        "metrics": {
            metric: {
                "all": spread(group.values(metric)),
                "not_collapsed": spread(group.values(metric, only_sound=True)),
            }
            for metric in METRICS
        },
    }
