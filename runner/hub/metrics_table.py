"""The table of a phase for machines: one row per arm, the same keys in every row."""

from __future__ import annotations

from runner.experiment import EXPERIMENT
from runner.hub.record import ArmRecord, HubRecord

RESULTS = EXPERIMENT.results


def metrics_rows(record: HubRecord) -> list[dict[str, object]]:
    """One row per arm: what it is, every statistic, its timing; ``null`` where there is none.

    Scalars of ``stats.json`` and the tables beside them stand under their own names; what an arm
    measured cannot take the place of what it is.
    """
    every_stat = (name for arm in record.arms for name in arm.stats)
    names: dict[str, object] = dict.fromkeys([*RESULTS.statistics, *every_stat])
    return [names | _row(record, arm) for arm in record.arms]


def _row(record: HubRecord, arm: ArmRecord) -> dict[str, object]:
    return {
        **arm.stats,
        **{name: arm.timing.get(name) for name in RESULTS.timing},
        "phase": record.phase,
        "profile": record.profile,
        "arm": arm.name,
        "status": arm.status,
        EXPERIMENT.parameters.subject_key: arm.subject,
        "seed": arm.seed,
        "device": arm.execution.device,
        **{name: getattr(arm, name) for name in RESULTS.tabled},
        "null_reasons": arm.null_reasons,
        "final_weights_sha256": arm.final_weights_sha256,
    }
