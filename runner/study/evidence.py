"""What sealed hubs say about a finding: each expectation by itself, then the claim as a whole.

A finding that was registered is confirmatory: all hubs that meet its registration are asked, and
its test is made of their records. Any other is exploratory: the current hub of a phase is asked,
and no number is made, as intervals and tests are those of its ``statistics.json``. A claim is
that *all* its expectations hold, so it is supported only where each one is, and refuted where one
is contradicted; to ask several things of it makes neither easier by chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from runner.core.text import listing
from runner.experiment import EXPERIMENT
from runner.hub.record import HubRecord
from runner.hub.records.arm import ArmRecord
from runner.hub.records.registered import as_registered
from runner.manifest.findings import (
    ComparisonExpectation,
    Expectation,
    Finding,
    Level,
    RateExpectation,
    RuleExpectation,
)
from runner.manifest.rule_parser import parse
from runner.report.designs import contrast_words, spelled
from runner.report.registered import result_words
from runner.report.wording import measured
from runner.study.store import KeptHub, current
from runner.verify.parameter_differences import has_knobs
from runner.verify.registration.confirmation import Outcome, confirm
from runner.verify.registration.power import knob_designs
from runner.verify.registration.registered_runs import counts
from runner.verify.sealed_hub import NamedHub
from runner.verify.statistics import (
    Comparison,
    EndpointComparison,
    Group,
    ScoreDifference,
    Statistics,
)

ENDPOINT = EXPERIMENT.endpoint
Status = Literal["supported", "refuted", "no evidence", "open"]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What one expectation, or one registered contrast, came to."""

    expectation: str
    outcome: Outcome
    words: str
    phase: str
    profile: str | None = None
    hubs: tuple[KeptHub, ...] = ()
    """Those that were asked."""


@dataclass(frozen=True, kw_only=True)
class JudgedFinding:
    """A finding with what the hubs say about it."""

    finding: Finding
    judgements: tuple[Judgement, ...]
    passed_over: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Hubs that name a registered finding and do not count for it → why."""
    undated: Mapping[str, str] = field(default_factory=dict)
    """Hubs that count and do not tell whether the registration was committed → how to find out."""

    @property
    def status(self) -> Status:
        """What follows from the expectations together."""
        outcomes = [one.outcome for one in self.judgements]
        if "contradicts" in outcomes:
            return "refuted"
        if not outcomes or "open" in outcomes:
            return "open"
        return "supported" if set(outcomes) == {"supports"} else "no evidence"

    @property
    def standing(self) -> str:
        """What the status is worth: that of a registered test, or of a look at what there was."""
        if self.finding.registration is None:
            less = self.finding.level != "audited"
            return "exploratory" + (f", on arms that were {self.finding.level}" if less else "")
        if not any(one.hubs for one in self.judgements):
            return "registered"
        return "confirmatory" + (" if its registration was committed" if self.undated else "")

    @property
    def full_status(self) -> str:
        """Status and standing."""
        return f"{self.status}, {self.standing}"


class Unanswered(Exception):  # noqa: N818  no error: an expectation that a hub cannot answer
    """Why a hub says nothing about an expectation."""


def judge(finding: Finding, every: Iterable[KeptHub]) -> JudgedFinding:
    """A finding as the hubs of a study see it; ``every`` are all that it keeps."""
    hubs = list(every)
    if finding.registration is not None:
        return _judge_registered(finding, hubs)
    by_variant = {_variant(one): one for one in current(hubs)}
    numbers = Counter(_variant(one) for one in hubs if one.is_whole)
    return JudgedFinding(
        finding=finding,
        judgements=tuple(
            _judge(one, by_variant.get(asked), numbers[asked], finding.level)
            for one in finding.evidence
            if (asked := (one.phase, one.profile))
        ),
    )


def _variant(one: KeptHub) -> tuple[str, str | None]:
    return (one.phase, one.record.profile)


def _judge_registered(finding: Finding, hubs: Sequence[KeptHub]) -> JudgedFinding:
    plan = finding.registration
    assert plan is not None
    by_name = {f"{one.phase}/{one.name}": one for one in hubs}
    found = confirm(
        as_registered(finding),
        [NamedHub(name=name, record=one.record) for name, one in by_name.items()],
    )
    return JudgedFinding(
        finding=finding,
        judgements=tuple(
            Judgement(
                expectation=contrast_words(plan, result.contrast),
                outcome=result.outcome,
                words=result_words(plan, found, result),
                phase=plan.phase,
                profile=plan.profile,
                hubs=tuple(by_name[name] for name in found.counted),
            )
            for result in found.results
        ),
        passed_over=found.passed_over,
        undated=found.undated,
    )


def _judge(expectation: Expectation, hub: KeptHub | None, number: int, level: Level) -> Judgement:
    """One expectation by the hub that is asked, the newest of a ``number`` of whole ones."""
    if hub is None:
        outcome: Outcome = "open"
        words = "no sealed hub"
    else:
        try:
            _require_level(expectation, hub.record, level)
            outcome, words = _answer(expectation, hub)
        except Unanswered as reason:
            outcome, words = "open", str(reason)
        if number > 1:
            words += f"; this is the newest of {number} hubs, the others are not asked"
    return Judgement(
        expectation=expectation_words(expectation),
        outcome=outcome,
        words=words,
        phase=expectation.phase,
        profile=expectation.profile,
        hubs=() if hub is None else (hub,),
    )


def _require_level(expectation: Expectation, record: HubRecord, level: Level) -> None:
    """Raise ``Unanswered`` where an arm that ran as planned is known less well than is asked."""
    where = [expectation.arms or {}]
    if isinstance(expectation, ComparisonExpectation):
        where.append(expectation.against)
    arms = [arm for arm in record.arms if any(has_knobs(arm.parameters, one) for one in where)]
    short = [arm for arm in arms if counts(arm, "read back") and not counts(arm, level)]
    if short:
        raise Unanswered(
            f"{len(short)} of its arms are {short[0].proof}, and the finding asks for {level} ones"
        )


def _answer(expectation: Expectation, hub: KeptHub) -> tuple[Outcome, str]:
    if isinstance(expectation, RateExpectation):
        return _rate(expectation, hub)
    if isinstance(expectation, ComparisonExpectation):
        return _comparison(expectation, hub)
    return _rule(expectation, hub.record)


def _rate(expectation: RateExpectation, hub: KeptHub) -> tuple[Outcome, str]:
    statistics = _statistics(hub)
    group = statistics.groups[_group(expectation.arms, hub)]
    if group.interval is None:
        raise Unanswered("none of these arms ran as planned")
    low, high = group.interval
    above, below = low > expectation.bound, high < expectation.bound
    words = (
        f"{group.num_reached} of {group.num_arms} {ENDPOINT.past} "
        f"(Wilson 95 % interval {low:.2f} to {high:.2f})"
    )
    if not (above or below):
        return "no evidence", words
    return "supports" if above is (expectation.expect == "above") else "contradicts", words


def _comparison(expectation: ComparisonExpectation, hub: KeptHub) -> tuple[Outcome, str]:
    arms, against = (_group(where, hub) for where in (expectation.arms, expectation.against))
    row = _pair(_statistics(hub).comparisons, arms, against)
    by_score = expectation.measure != ENDPOINT.noun
    found: EndpointComparison | ScoreDifference | None
    found = row.metrics.get(expectation.measure) if by_score else row.endpoint
    if found is None:
        raise Unanswered(f"its statistics do not compare {expectation.measure}")
    words = found.words + _confounded(row) + (_hopeless(row, hub) if not by_score else "")
    if not (found.evidence and found.difference):
        return "no evidence", words
    arms_first = row.places == (arms, against)  # a difference is the second's less the first's
    lower = (found.difference > 0) is arms_first
    return "supports" if lower is (expectation.expect == "lower") else "contradicts", words


def _hopeless(row: Comparison, hub: KeptHub) -> str:
    """What to say where no outcome would have been evidence."""
    for design in knob_designs(_statistics(hub)):
        if row.knobs == (design.knob,) and not design.can_answer:
            best = f"the adjusted p is {design.best:.3g} at best"
            return f"; this design could not have shown it: {best}"
    return ""


def _confounded(row: Comparison) -> str:
    if row.controlled:
        return ""
    return (
        f"; the groups differ in {listing(row.knobs)}, and no difference can be attributed to one"
    )


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
    return [arm for arm in arms if has_knobs(arm.parameters, where)]


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
    ENDPOINT.past: lambda arm: arm.fate.reached is True,
    f"not_{ENDPOINT.past}": lambda arm: arm.fate.reached is False,
}
_FATE = {
    "all": "",
    ENDPOINT.past: f" that {ENDPOINT.past}",
    f"not_{ENDPOINT.past}": f" that did not {ENDPOINT.plural}",
}


def expectation_words(expectation: Expectation) -> str:
    """An expectation in words."""
    if isinstance(expectation, RateExpectation):
        more = "more" if expectation.expect == "above" else "less"
        arms = spelled(expectation.arms)
        return f"{more} than {expectation.bound:.0%} of runs with {arms} {ENDPOINT.plural}"
    if isinstance(expectation, ComparisonExpectation):
        by_score = expectation.measure != ENDPOINT.noun
        measure = expectation.measure if by_score else f"rate of {ENDPOINT.noun}"
        return (
            f"{measure} with {spelled(expectation.arms)} {expectation.expect} than with "
            f"{spelled(expectation.against)}"
        )
    where = f" with {spelled(expectation.arms)}" if expectation.arms else ""
    return f"{expectation.rule} for every arm{where}{_FATE[expectation.among]}"


def _some(names: Sequence[str]) -> str:
    return listing(names) if len(names) <= 3 else f"{len(names)} arms, as for {names[0]}"
