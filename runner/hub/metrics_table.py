"""The table of a phase for machines: one row per arm, the same keys in every row."""

from __future__ import annotations

from runner.experiment import EXPERIMENT
from runner.hub.leaves import leaves
from runner.hub.record import HubRecord
from runner.hub.records.arm import ArmRecord

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


def flat_rows(record: HubRecord) -> list[dict[str, object]]:
    """One row per arm for tables elsewhere, the same keys in every row, no table in a cell.

    What an arm is comes first, then its knobs by their dotted names, its statistics and its timing;
    where two have one name the first of them stands.
    """
    rows = [_flat_row(arm) for arm in record.arms]
    names = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in names} for row in rows]


def _flat_row(arm: ArmRecord) -> dict[str, object]:
    row: dict[str, object] = {
        "arm": arm.name,
        "status": arm.status,
        EXPERIMENT.parameters.subject_key: arm.subject,
        "seed": arm.seed,
        "device": arm.execution.device,
        "proof": arm.proof,
        **{name: getattr(arm, name) for name in RESULTS.tabled},
    }
    for table in (arm.parameters, arm.stats, arm.timing):
        for name, value in leaves(table):
            row.setdefault(name, value)
    return row
