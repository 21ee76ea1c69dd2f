"""What the runs say: whether rules hold, which arms are the same, how the command ends.

Pure functions on values that were read from files of the contract; they believe nothing of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runner.core.errors import ARM_FAILED, INTERRUPTED, TIMED_OUT
from runner.hub.leaves import differing_knobs
from runner.hub.record import HubRecord
from runner.hub.records.arm import IdenticalArms, RuleRecord
from runner.manifest.rules import Rule, values


def identical_arms(
    plans: Mapping[str, Mapping[str, Any]], weights: Mapping[str, str | None]
) -> tuple[IdenticalArms, ...]:
    """Groups of arms whose plans differ while their final weights are bit-identical.

    ``plans`` has the parameters by arm, the seed among them if it is to count; ``weights`` has the
    digest of the final weights, ``None`` for an arm that has none. The knobs named had no effect
    on the weights: either they never reached the training, or they act on something else.
    """
    groups: dict[str, list[str]] = {}
    for arm, digest in weights.items():
        if digest is not None:
            groups.setdefault(digest, []).append(arm)
    return tuple(
        IdenticalArms(arms=tuple(arms), knobs=knobs, final_weights_sha256=digest)
        for digest, arms in groups.items()
        if (knobs := differing_knobs([plans[arm] for arm in arms]))
    )


def judge(rules: Iterable[Rule], stats: Mapping[str, object]) -> tuple[RuleRecord, ...]:
    """Each success rule beside what one arm measured."""
    return tuple(_judge(rule, stats) for rule in rules)


def _judge(rule: Rule, stats: Mapping[str, object]) -> RuleRecord:
    outcome = rule.evaluate(stats)
    return RuleRecord(
        rule=str(rule),
        measured=outcome.measured,
        margin=outcome.margin,
        holds=outcome.holds,
        decided_by=outcome.decided_by,
        values=dict(values(rule, stats)),
    )


def exit_code(record: HubRecord) -> int:
    """How the command that ran the phase ends.

    130 when the run was interrupted; 0 when all arms succeeded and no required rule failed; 5 when
    whatever did not succeed ran out of time or could not run because of that; otherwise 1, also for
    a regression test that failed. The endpoint is a result and no failure. A rule that could not be
    measured does not hold.
    """
    statuses = {arm.status for arm in record.arms} | {one.status for one in record.datasets}
    statuses |= {capture.status for step in record.steps for capture in step.captures}
    if record.interrupted or "interrupted" in statuses:
        return INTERRUPTED
    failures = statuses - {"succeeded"}
    if "timed_out" in failures and failures <= {"timed_out", "not_run"}:
        return TIMED_OUT
    rules_hold = all(rule.holds for arm in record.arms for rule in arm.rules)
    tests_hold = record.tests is None or record.tests.hold
    if failures or not tests_hold or (record.rules_required and not rules_hold):
        return ARM_FAILED
    return 0
