"""Weights & Biases: an offline run for every arm, for ``wandb sync`` to send or not."""

from __future__ import annotations

import os
from pathlib import Path

from runner.commands.export.runs import ExportedArm, ExportedHub, library, points
from runner.core.digest import sha256_bytes
from runner.core.errors import ExportError

QUIET = {
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",
}
"""So that nothing is asked of any network, whatever the user has set."""


def write(hub: ExportedHub, target: Path) -> None:
    """Write the runs into ``wandb/`` below ``target``."""
    os.environ.update(QUIET)
    wandb = library("wandb", "wandb-offline")
    # What runs here is an export: this machine and this folder have no part in the arms.
    settings = wandb.Settings(
        mode="offline", console="off", silent=True, disable_git=True, disable_code=True,
        disable_job_creation=True, save_code=False,
        x_disable_stats=True, x_disable_meta=True, x_disable_machine_info=True,
        x_save_requirements=False,
    )  # fmt: skip
    try:
        for arm in hub.arms:
            run = wandb.init(
                dir=target,
                id=sha256_bytes(f"{hub.sha256}/{arm.name}".encode())[:16],
                project=hub.phase,
                group=hub.name,
                name=arm.name,
                notes=hub.title,
                config=dict(arm.knobs),
                settings=settings,
            )
            run.summary.update({**arm.words, "hub_sha256": hub.sha256})
            for unit, values in _by_unit(arm).items():
                run.log(values, step=unit)
            run.finish(exit_code=0 if arm.succeeded else 1)
    except wandb.errors.Error as error:
        raise ExportError(f"{target}: Weights & Biases says: {error}") from None


def _by_unit(arm: ExportedArm) -> dict[int, dict[str, float]]:
    """The numbers of each unit of the fit, in order."""
    found: dict[int, dict[str, float]] = {}
    for point in points(arm):
        found.setdefault(point.unit, {})[point.name] = point.value
    return dict(sorted(found.items()))
