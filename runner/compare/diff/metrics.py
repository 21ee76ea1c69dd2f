"""The statistics of the arms that two hubs have in common."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from runner.compare.diff.plans import change_of
from runner.compare.diff.table import ArmMetrics, StatChange
from runner.core.digest import canonical_json
from runner.experiment import EXPERIMENT
from runner.hub.leaves import leaves
from runner.hub.record import HubRecord
from runner.hub.records.arm import ArmRecord

TELLING = EXPERIMENT.results.foremost
"""Statistics that a headline names, the first one that differs anywhere."""


def compare_metrics(before: HubRecord, after: HubRecord) -> tuple[ArmMetrics, ...]:
    """For each arm that both have, its statistics that differ."""
    names = {arm.name for arm in after.arms}
    return tuple(_compare(arm, after.arm(arm.name)) for arm in before.arms if arm.name in names)


def _compare(before: ArmRecord, after: ArmRecord) -> ArmMetrics:
    old, new = dict(leaves(before.stats)), dict(leaves(after.stats))
    names = list(dict.fromkeys([*old, *new]))
    differing = [
        name for name in names if canonical_json(old.get(name)) != canonical_json(new.get(name))
    ]
    return ArmMetrics(
        arm=before.name,
        status=change_of(before.status, after.status),
        stats=tuple(_change(name, old.get(name), new.get(name)) for name in differing),
        num_equal=len(names) - len(differing),
    )


def _change(name: str, before: JsonValue, after: JsonValue) -> StatChange:
    numbers = [one for one in (before, after) if isinstance(one, int | float)]
    flags = isinstance(before, bool) or isinstance(after, bool)
    difference = float(numbers[1] - numbers[0]) if len(numbers) == 2 and not flags else None
    return StatChange(name=name, before=before, after=after, difference=difference)


def most_telling(metrics: Sequence[ArmMetrics]) -> tuple[str, StatChange] | None:
    """An arm and the statistic of it that a headline names: of those that differ, by most."""
    for name in TELLING:
        found = [(arm.arm, stat) for arm in metrics for stat in arm.stats if stat.name == name]
        if found:
            return max(found, key=lambda one: abs(one[1].difference or 0.0))
    return None
