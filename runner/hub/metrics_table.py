"""The table of a phase for machines: one row per arm, the same keys in every row."""

from __future__ import annotations

from models.config import STATS
from runner.hub.record import ArmRecord, HubRecord

TIMING = ("wall_s", "steps_per_s", "peak_memory_bytes")


def metrics_rows(record: HubRecord) -> list[dict[str, object]]:
    """One row per arm: what it is, every statistic, its timing; ``null`` where there is none.

    Scalars of ``stats.json`` and the tables beside them stand under their own names; what an arm
    measured cannot take the place of what it is.
    """
    every_stat = (name for arm in record.arms for name in arm.stats)
    names: dict[str, object] = dict.fromkeys([*STATS, *every_stat])
    return [names | _row(record, arm) for arm in record.arms]


def _row(record: HubRecord, arm: ArmRecord) -> dict[str, object]:
    return {
        **arm.stats,
        **{name: arm.timing.get(name) for name in TIMING},
        "phase": record.phase,
        "profile": record.profile,
        "arm": arm.name,
        "status": arm.status,
        "architecture": arm.architecture,
        "seed": arm.seed,
        "device": arm.execution.device,
        "collapsed": arm.collapsed,
        "collapse_epoch": arm.collapse_epoch,
        "collapse_reason": arm.collapse_reason,
        "null_reasons": arm.null_reasons,
        "final_weights_sha256": arm.final_weights_sha256,
    }
