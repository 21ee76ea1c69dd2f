"""The statistics over arms as a page shows them: text in rows. No layout, no markup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from runner.core.text import listing
from runner.experiment import EXPERIMENT
from runner.report import drawn
from runner.report.designs import could_have_shown
from runner.report.drawn import Drawn
from runner.report.statements import Statement
from runner.report.wording import NOTHING, STATUS_WORDS, declared, measured
from runner.verify.statistics import (
    Comparison,
    EndpointComparison,
    Factor,
    Group,
    Interval,
    Metric,
    ScoreDifference,
    Spread,
    Statistics,
    Value,
)

MOST_COMPARISONS = 30
"""Comparisons that a page shows; ``statistics.json`` has all."""
ENDPOINT = EXPERIMENT.endpoint
SUGGESTIVE = 0.05


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    """A group: what it is and how often the endpoint came about in it."""

    label: str
    knobs: tuple[str, ...]
    runs: str
    reached: str
    rate: str
    drawn: Drawn | None
    not_counted: str
    """Its arms that did not run as planned, with what became of them."""


@dataclass(frozen=True, kw_only=True)
class SpreadRow:
    """The scores of a group over one selection of its runs."""

    label: str
    over: str
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One sentence about a comparison, and whether it speaks of evidence."""

    text: str
    evidence: bool


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """Two groups and what can be said of their difference."""

    groups: tuple[str, str]
    knobs: str
    controlled: bool
    claims: tuple[Claim, ...]
    reached: tuple[str, str]
    p_adjusted: str
    evidence: bool
    """Whether any claim is one."""
    difference: str
    """Of the medians of the first score that pages tell of, second less first."""
    drawn: Drawn | None


@dataclass(frozen=True, kw_only=True)
class FactorRow:
    """A knob of a matrix at one setting of the other knobs, or over all of them."""

    setting: str
    rates: tuple[str, ...]
    p_value: str


@dataclass(frozen=True, kw_only=True)
class FactorTable:
    """A knob of a matrix: its values, and how often the endpoint came about with them."""

    knob: str
    values: tuple[str, ...]
    rows: tuple[FactorRow, ...]
    claim: Claim


@dataclass(frozen=True, kw_only=True)
class GroupsView:
    """Everything that a page shows of the statistics."""

    knob_names: tuple[str, ...]
    groups: tuple[GroupRow, ...]
    spreads: tuple[SpreadRow, ...]
    comparisons: tuple[ComparisonRow, ...]
    num_comparisons: int
    factors: tuple[FactorTable, ...]
    notes: tuple[str, ...]
    design: tuple[str, ...]
    """What the comparisons could have shown at all."""
    methods: Mapping[str, str]
    members: Mapping[str, tuple[str, ...]]
    """The arms of each group of this hub that count, by its label."""


def groups_view(statistics: Statistics, hub_phase: str, scores: Sequence[str]) -> GroupsView:
    """The view of some statistics; ``scores`` are the statistics that its columns show."""
    names = tuple(statistics.groups[0].knobs) if statistics.groups else ()
    return GroupsView(
        knob_names=names,
        groups=tuple(group_row(group, names) for group in statistics.groups),
        spreads=tuple(row for group in statistics.groups for row in _spreads(group, scores)),
        comparisons=tuple(_comparisons(_foremost(statistics.comparisons))),
        num_comparisons=len(statistics.comparisons),
        factors=tuple(_factor(one, statistics.factors) for one in statistics.factors),
        notes=(*statistics.notes, *_markers(statistics)),
        design=could_have_shown(statistics),
        methods={name: str(text) for name, text in statistics.methods.items()},
        members={
            group.label: group.arms
            for group in statistics.groups
            if group.arms and group.phase == hub_phase
        },
    )


def group_row(group: Group, names: Sequence[str]) -> GroupRow:
    """A group as the pages have it, with the knobs of these names."""
    return GroupRow(
        label=group.label,
        knobs=tuple(declared(group.knobs[name]) for name in names),
        runs=str(group.num_arms),
        reached=_counted(group),
        rate=_rate(group.rate, group.interval),
        drawn=drawn.rate(group.rate, group.interval),
        not_counted=", ".join(
            f"{arm.name} ({STATUS_WORDS.get(arm.status, arm.status)})"  # type: ignore[call-overload]
            for arm in group.not_counted
        ),
    )


def _counted(group: Group) -> str:
    """In how many the endpoint came about, and how many came to something else that is amiss."""
    if not group.num_arms:
        return NOTHING
    others = [
        f"{number} {ENDPOINT.outcomes[word]}" for word, number in group.other_outcomes.items()
    ]
    suffix = f" ({', '.join(others)})" if others else ""
    return f"{group.num_reached} of {group.num_arms}{suffix}"


def _rate(rate: float | None, interval: Interval | None) -> str:
    if rate is None or interval is None:
        return NOTHING
    return f"{rate:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"


def _spreads(group: Group, scores: Sequence[str]) -> Iterator[SpreadRow]:
    """Over all runs, and over those without the endpoint where that makes a difference."""
    if not group.num_arms:
        return
    sound = group.num_arms - group.num_reached
    every = f"all {group.num_arms}" if group.num_arms > 1 else "the only run"
    yield SpreadRow(
        label=group.label,
        over=every if sound else f"{every}, {ENDPOINT.past}",
        cells=tuple(_spread(_metric(group, score).all, group.num_arms) for score in scores),
    )
    if group.num_reached and sound:
        yield SpreadRow(
            label=group.label,
            over=f"the {sound} not {ENDPOINT.past}",
            cells=tuple(_spread(_metric(group, score).others, sound) for score in scores),
        )


def _metric(group: Group, score: str) -> Metric:
    """A score of a group; nothing where the statistics are of before there was this score."""
    nothing = Metric.model_validate({"all": None, f"not_{ENDPOINT.past}": None})
    return group.metrics.get(score, nothing)


def _spread(spread: Spread | None, num_runs: int) -> str:
    """Median with quartiles; how many runs have the score, where it is not all of them."""
    if spread is None:
        return NOTHING
    some = f" of {spread.n}" if spread.n != num_runs else ""
    if spread.n == 1:
        return f"{measured(spread.median)}{some}"
    return f"{measured(spread.median)} [{measured(spread.q1)}, {measured(spread.q3)}]{some}"


def _foremost(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The first ones to show, in their order: those that show something, then controlled ones."""
    ranked = sorted(
        range(len(comparisons)),
        key=lambda place: (-_weight(comparisons[place]), place),
    )
    return [comparisons[place] for place in sorted(ranked[:MOST_COMPARISONS])]


def _weight(comparison: Comparison) -> int:
    p_value = comparison.endpoint.p_value
    suggestive = p_value is not None and p_value < SUGGESTIVE
    return 4 * comparison.endpoint.evidence + 2 * suggestive + comparison.controlled


def _comparisons(shown: Sequence[Comparison]) -> Iterator[ComparisonRow]:
    """Rows whose drawings have one axis."""
    found = [row for one in shown if (row := one.metrics.get(EXPERIMENT.results.worded[0]))]
    ends = [end for row in found for end in (row.difference, *(row.interval or ()))]
    most = max((abs(end) for end in ends if end is not None), default=0.0)
    yield from (_comparison(one, most) for one in shown)


def _comparison(comparison: Comparison, most: float) -> ComparisonRow:
    first = comparison.metrics.get(EXPERIMENT.results.worded[0])
    found = comparison.endpoint
    claims = [Claim(text=comparison.endpoint.words, evidence=comparison.endpoint.evidence)]
    for score in EXPERIMENT.results.worded:
        row = comparison.metrics.get(score)
        if row is not None:
            claims.append(_claim(row))
            if any(comparison.endpoint.reached) and row.others.difference is not None:
                sound = _claim(row.others)
                claims.append(
                    Claim(
                        text=f"of runs not {ENDPOINT.past}: {sound.text}", evidence=sound.evidence
                    )
                )
    return ComparisonRow(
        groups=comparison.groups,
        knobs=", ".join(comparison.knobs),
        controlled=comparison.controlled,
        claims=tuple(claims),
        reached=_reached(found),
        p_adjusted=_p(found.p_adjusted),
        evidence=any(claim.evidence for claim in claims),
        difference=_difference(first),
        drawn=drawn.difference(first.difference, first.interval, most) if first else None,
    )


def _reached(found: EndpointComparison) -> tuple[str, str]:
    first, second = (
        f"{hits} of {arms}" for hits, arms in zip(found.reached, found.arms, strict=True)
    )
    return first, second


def _difference(row: ScoreDifference | None) -> str:
    """The difference of two medians with its interval, where there is one."""
    if row is None or row.difference is None:
        return NOTHING
    text = f"{row.difference:+.3g}"
    if row.interval is None:
        return text
    return f"{text} ({row.interval[0]:+.3g} to {row.interval[1]:+.3g})"


def _claim(row: ScoreDifference) -> Claim:
    return Claim(text=row.words, evidence=row.evidence)


def _factor(factor: Factor, every: Sequence[Factor]) -> FactorTable:
    hubs = {one.hub for one in every}
    pooled = FactorRow(
        setting="all together", rates=_rates(factor.values), p_value=_p(factor.p_value)
    )
    strata = (
        FactorRow(
            setting=", ".join(f"{name} {declared(value)}" for name, value in one.others.items()),
            rates=_rates(one.values),
            p_value=_p(one.p_value),
        )
        for one in factor.strata
    )
    return FactorTable(
        knob=f"{factor.knob} in {factor.hub}" if len(hubs) > 1 else factor.knob,
        values=tuple(declared(one.value) for one in factor.values),
        rows=(pooled, *strata),
        claim=Claim(text=factor.words, evidence=factor.evidence),
    )


def _rates(values: Sequence[Value]) -> tuple[str, ...]:
    return tuple(
        f"{one.num_reached} of {one.num_arms}: {_rate(one.rate, one.interval)}" for one in values
    )


def _p(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3g}"


def _markers(statistics: Statistics) -> Iterator[str]:
    """How arms with the endpoint and others differ in what tells one from the other."""
    for one in statistics.markers:
        extents = [
            f"{extent.min:.2f} to {extent.max:.2f} in {extent.n} {who}"
            for extent, who in (
                (one.reached, f"{ENDPOINT.past} arms"),
                (one.others, f"arms that did not {ENDPOINT.plural}"),
            )
            if extent is not None
        ]
        yield f"{one.statistic} {ENDPOINT.marker_words}: {listing(extents)}"


def evidence_statements(statistics: Statistics) -> Iterator[Statement]:
    """What the statistics allow to say, in few sentences."""
    found = [factor.words for factor in statistics.factors if factor.evidence]
    found += [one.endpoint.words for one in statistics.comparisons if one.endpoint.evidence]
    for words in found[:5]:
        yield Statement(kind="neutral", text=f"{words}.")
    if len(found) > 5:
        yield Statement(kind="neutral", text=f"{len(found) - 5} further comparisons give evidence.")
    if not found and statistics.comparisons:
        yield Statement(kind="neutral", text=_nothing(statistics))


def has_seeds(statistics: Statistics) -> bool:
    """Whether any group has several arms, so that statistics over them may answer anything."""
    return any(group.num_arms > 1 for group in statistics.groups)


def _nothing(statistics: Statistics) -> str:
    """That no comparison shows anything, and why where it could not."""
    if not has_seeds(statistics):
        return (
            f"One seed each: no evidence either way that any of these plans {ENDPOINT.third} more "
            "often than another."
        )
    number = len(statistics.comparisons)
    scope = "the comparison" if number == 1 else f"any of {number} comparisons"
    return f"No evidence in {scope} that one group {ENDPOINT.third} more often than another."
