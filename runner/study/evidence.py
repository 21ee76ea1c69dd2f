"""What sealed hubs say about a finding: each expectation by itself, then the claim as a whole.

No number is made here: intervals and tests are those of the hubs' ``statistics.json``. A claim is
that *all* its expectations hold, so it is supported only where each one is, and refuted where one
is contradicted; to ask several things of it makes neither easier by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from runner.findings import (
    ComparisonExpectation,
    Expectation,
    Finding,
    RateExpectation,
    RuleExpectation,
)
from runner.record import ArmRecord, HubRecord, leaves
from runner.report.wording import declared, listing, measured
from runner.rule_parser import parse
from runner.statistics import CollapseComparison, Comparison, Group, ScoreDifference, Statistics
from runner.study.store import KeptHub

Outcome = Literal["supports", "contradicts", "no evidence", "open"]
Status = Literal["supported", "refuted", "no evidence", "open"]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What one expectation came to."""

    expectation: str
    outcome: Outcome
    words: str
    hub: KeptHub | None


@dataclass(frozen=True, kw_only=True)
class JudgedFinding:
    """A finding with what the hubs say about it."""

    finding: Finding
    judgements: tuple[Judgement, ...]

    @property
    def status(self) -> Status:
        """What follows from the expectations together."""
        outcomes = [one.outcome for one in self.judgements]
        if "contradicts" in outcomes:
            return "refuted"
        if not outcomes or "open" in outcomes:
            return "open"
        return "supported" if set(outcomes) == {"supports"} else "no evidence"


class Unanswered(Exception):  # noqa: N818  no error: an expectation that a hub cannot answer
    """Why a hub says nothing about an expectation."""


def judge(finding: Finding, hubs: Iterable[KeptHub]) -> JudgedFinding:
    """A finding as the current hubs of a study see it."""
    by_variant = {(one.phase, one.record.profile): one for one in hubs}
    return JudgedFinding(
        finding=finding,
        judgements=tuple(
            _judge(one, by_variant.get((one.phase, one.profile))) for one in finding.evidence
        ),
    )


def _judge(expectation: Expectation, hub: KeptHub | None) -> Judgement:
    if hub is None:
        outcome: Outcome = "open"
        words = "no sealed hub"
    else:
        try:
            outcome, words = _answer(expectation, hub)
        except Unanswered as reason:
            outcome, words = "open", str(reason)
    return Judgement(expectation=told(expectation), outcome=outcome, words=words, hub=hub)


def _answer(expectation: Expectation, hub: KeptHub) -> tuple[Outcome, str]:
    if isinstance(expectation, RateExpectation):
        return _rate(expectation, hub)
    if isinstance(expectation, ComparisonExpectation):
        return _comparison(expectation, hub)
    return _rule(expectation, hub.record)


def _rate(expectation: RateExpectation, hub: KeptHub) -> tuple[Outcome, str]:
    statistics = _statistics(hub)
    group = statistics.groups[_group(expectation.arms, hub)]
    if group.collapse_interval is None:
        raise Unanswered("none of these arms ran as planned")
    low, high = group.collapse_interval
    above, below = low > expectation.bound, high < expectation.bound
    words = (
        f"{group.num_collapsed} of {group.num_arms} collapsed "
        f"(Wilson 95 % interval {low:.2f} to {high:.2f})"
    )
    if not (above or below):
        return "no evidence", words
    return "supports" if above is (expectation.expect == "above") else "contradicts", words


def _comparison(expectation: ComparisonExpectation, hub: KeptHub) -> tuple[Outcome, str]:
    arms, against = (_group(where, hub) for where in (expectation.arms, expectation.against))
    row = _pair(_statistics(hub).comparisons, arms, against)
    by_score = expectation.measure != "collapse"
    found: CollapseComparison | ScoreDifference | None
    found = row.metrics.get(expectation.measure) if by_score else row.collapse
    if found is None:
        raise Unanswered(f"its statistics do not compare {expectation.measure}")
    words = found.words + _confounded(row)
    if not (found.evidence and found.difference):
        return "no evidence", words
    arms_first = row.places == (arms, against)  # a difference is the second's less the first's
    lower = (found.difference > 0) is arms_first
    return "supports" if lower is (expectation.expect == "lower") else "contradicts", words


def _confounded(row: Comparison) -> str:
    if row.controlled:
        return ""
    return f"; the groups differ in {listing(row.knobs)}, and no difference can be laid to one"


def _statistics(hub: KeptHub) -> Statistics:
    if hub.statistics is None:
        raise Unanswered("the hub has no statistics over arms")
    return hub.statistics


def _pair(rows: Sequence[Comparison], arms: int, against: int) -> Comparison:
    """The comparison of two groups, whichever comes first in it."""
    for row in rows:
        if set(row.places) == {arms, against}:
            return row
    raise Unanswered("its statistics do not compare these arms")


def _group(where: Mapping[str, object], hub: KeptHub) -> int:
    """The place of the one group whose arms have these knobs."""
    groups = _statistics(hub).groups
    names = {arm.name for arm in _with_knobs(hub.record.arms, where)}
    if not names:
        raise Unanswered(f"no arm has {spelled(where)}")
    found = [
        place
        for place, group in enumerate(groups)
        if group.phase == hub.phase and names & _members(group)
    ]
    if len(found) != 1 or _members(groups[found[0]]) != names:
        raise Unanswered(f"the arms with {spelled(where)} are not one group of its statistics")
    return found[0]


def _members(group: Group) -> set[str]:
    """Names of all arms of a group, counted or not."""
    return {*group.arms, *(arm.name for arm in group.not_counted)}


def _with_knobs(arms: Iterable[ArmRecord], where: Mapping[str, object]) -> list[ArmRecord]:
    plans = [(arm, dict(leaves(arm.parameters))) for arm in arms]
    return [
        arm
        for arm, plan in plans
        if all(name in plan and _same(plan[name], value) for name, value in where.items())
    ]


def _same(planned: object, value: object) -> bool:
    return isinstance(planned, bool) is isinstance(value, bool) and planned == value


def _rule(expectation: RuleExpectation, record: HubRecord) -> tuple[Outcome, str]:
    arms = _with_knobs(record.arms, expectation.arms or {})
    asked = [arm for arm in arms if arm.status == "succeeded" and _AMONG[expectation.among](arm)]
    if not asked:
        return "no evidence", f"no arm{_FATE[expectation.among]} ran as planned"
    rule = parse(expectation.rule)
    results = [(arm, rule.evaluate(arm.stats)) for arm in asked]
    if missing := [arm.name for arm, result in results if result.holds is None]:
        raise Unanswered(f"not measured for {_some(missing)}")
    if broken := [(arm, result) for arm, result in results if not result.holds]:
        arm, result = broken[0]
        return "contradicts", (
            f"fails for {len(broken)} of {len(asked)} arms{_FATE[expectation.among]}, "
            f"as for {arm.name}: {measured(result.measured)}"
        )
    return "supports", f"holds for all {len(asked)} arms{_FATE[expectation.among]}"


_AMONG: dict[str, Callable[[ArmRecord], bool]] = {
    "all": lambda _: True,
    "collapsed": lambda arm: arm.collapsed is True,
    "not_collapsed": lambda arm: arm.collapsed is False,
}
_FATE = {"all": "", "collapsed": " that collapsed", "not_collapsed": " that did not collapse"}


def told(expectation: Expectation) -> str:
    """An expectation in words."""
    if isinstance(expectation, RateExpectation):
        more = "more" if expectation.expect == "above" else "less"
        arms = spelled(expectation.arms)
        return f"{more} than {expectation.bound:.0%} of runs with {arms} collapse"
    if isinstance(expectation, ComparisonExpectation):
        measure = "rate of collapse" if expectation.measure == "collapse" else expectation.measure
        return (
            f"{measure} with {spelled(expectation.arms)} {expectation.expect} than with "
            f"{spelled(expectation.against)}"
        )
    where = f" with {spelled(expectation.arms)}" if expectation.arms else ""
    return f"{expectation.rule} for every arm{where}{_FATE[expectation.among]}"


def spelled(where: Mapping[str, object]) -> str:
    """Knobs in a sentence, by the last part of their names that tells: ``decoder_norm none``."""
    return listing([f"{_short(name)} {declared(value)}" for name, value in where.items()])


def _short(name: str) -> str:
    *before, last = name.split(".")
    return before[-1] if last == "kind" else last


def _some(names: Sequence[str]) -> str:
    return listing(names) if len(names) <= 3 else f"{len(names)} arms, as for {names[0]}"
