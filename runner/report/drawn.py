"""Estimates with their intervals as small drawings inside of a table: a dot on a line."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH = 120
"""Of a drawing, in CSS pixels: it keeps its size on every screen, so that rows can be compared."""

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Where to draw, in pixels from the left."""

    estimate: int
    low: int
    high: int
    reference: int
    """A thin line for what would be no effect, or no case."""


def rate(estimate: float | None, interval: Interval | None) -> Drawn | None:
    """A rate on the axis from 0 to 1; ``None`` where there is none."""
    return _drawn(estimate, interval, 0.0, 1.0)


def difference(estimate: float | None, interval: Interval | None, most: float) -> Drawn | None:
    """A difference on the axis from ``-most`` to ``most``; ``None`` where there is none."""
    return _drawn(estimate, interval, -most, most) if most > 0 else None


def _drawn(
    estimate: float | None, interval: Interval | None, first: float, last: float
) -> Drawn | None:
    if estimate is None:
        return None
    low, high = interval or (estimate, estimate)

    def place(value: float) -> int:
        inside = min(max(value, first), last)
        return 4 + round((WIDTH - 8) * (inside - first) / (last - first))

    return Drawn(estimate=place(estimate), low=place(low), high=place(high), reference=place(0.0))
