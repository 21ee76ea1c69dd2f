"""The ``train.clip`` knobs as the clipper shows them, if the measured gradients bear it out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from models.nets.generator import Generator
from models.training.clipping import (
    ClipNorm,
    Clipper,
    ClipUnits,
    ClipValue,
    LeaveGradients,
    Quantity,
)
from models.training.gradient_norms import GradientNorm
from models.training.units import UNITS

CLIP_TOLERANCE = 1e-5
"""Share by which what was clipped may exceed its bound: norms are long sums in float32."""


def read_clip(clipper: Clipper, net: Generator, trace: Sequence[GradientNorm]) -> dict[str, Any]:
    """What the clipper is, if what was measured bears it out; otherwise no clipping.

    Gradients that are not finite bear out nothing and contradict nothing.
    """
    if isinstance(clipper, LeaveGradients):
        finite = [n for n in trace if math.isfinite(n.pre_clip) and math.isfinite(n.post_clip)]
        untouched = all(norm.post_clip == norm.pre_clip for norm in finite)
        return {"kind": "none" if untouched else type(clipper).__name__}
    bound = clipper.bound * (1 + CLIP_TOLERANCE)
    measured = [norm.bounded for norm in trace if math.isfinite(norm.bounded)]
    if not trace or any(value > bound for value in measured):
        return {"kind": "none"}
    return _knobs(clipper, net)


def _knobs(clipper: Clipper, net: Generator) -> dict[str, Any]:
    """Kind and settings; a clipper that does not cover the network is of no known kind."""
    covered = {id(parameter) for parameter in net.parameters()}
    match clipper:
        case ClipNorm() if {id(parameter) for parameter in clipper.parameters} == covered:
            return {"kind": "norm", "max_norm": clipper.max_norm}
        case ClipValue() if {id(parameter) for parameter in clipper.parameters} == covered:
            return {"kind": "value", "max_value": clipper.max_value}
        case ClipUnits() if kind := _kind_of_units(clipper, net):
            return {"kind": kind, "clip_factor": clipper.clip_factor, "eps": clipper.eps}
    return {"kind": type(clipper).__name__}


def _kind_of_units(clipper: ClipUnits, net: Generator) -> str | None:
    clipped = {(id(units.parameter), units.axis) for units in clipper.units}
    for kind, units_of in UNITS.items():
        if clipped == {(id(units.parameter), units.axis) for units in units_of(net)}:
            return kind
    return None


def largest_clipped(clipper: Clipper, trace: Sequence[GradientNorm]) -> dict[str, float | None]:
    """``max_post_clip_<quantity>``: the largest that was measured after clipping.

    The norm is there for every clipper; value and ratio are ``None`` where they are not bounded.
    """
    bounded: dict[Quantity, list[float]] = {"norm": [n.post_clip for n in trace]}
    if clipper.quantity not in (None, "norm"):
        bounded[clipper.quantity] = [n.bounded for n in trace]
    quantities: tuple[Quantity, ...] = ("norm", "value", "ratio")
    return {
        f"max_post_clip_{quantity}": max(
            filter(math.isfinite, bounded.get(quantity, [])), default=None
        )
        for quantity in quantities
    }
