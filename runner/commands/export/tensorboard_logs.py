"""TensorBoard: a folder of event files for every arm, with its curves and scores.

Scalars have 32 bits there. Knobs are not written: the library has no public way to.
"""

from __future__ import annotations

from pathlib import Path

from runner.commands.export.runs import ExportedHub, library, points


def write(hub: ExportedHub, target: Path) -> None:
    """Write a folder below ``target`` for every arm."""
    summary = library("tensorboard.summary", "tensorboard")
    for arm in hub.arms:
        writer = summary.Writer(str(target / arm.name))
        at = arm.ended.timestamp() if arm.ended else 0.0
        for point in points(arm):
            writer.add_scalar(point.name, point.value, point.unit, wall_time=at)
        writer.close()
