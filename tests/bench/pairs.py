"""Two ways to do the same thing, timed in turn, A B A B …, and compared pair by pair."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median


def seconds(action: Callable[[], object]) -> float:
    """Wall-clock time of one call, s."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def compare(
    title: str,
    ours: tuple[str, Callable[[], object]],
    other: tuple[str, Callable[[], object]],
    *,
    rounds: int,
    unit: str = "s",
    per: float = 1.0,
    inverse: bool = False,
) -> None:
    """Time both ``rounds`` times after one warm-up and print medians and the ratio's spread.

    Args:
        title: Heading of the table.
        ours: Label and action of our side.
        other: Label and action of the side that it is measured against.
        rounds: Pairs that count.
        unit: Unit of the printed figures.
        per: Units of work in one call: the time is divided by it.
        inverse: Print work per second instead of seconds per work.
    """
    ours[1](), other[1]()
    pairs = [(seconds(ours[1]), seconds(other[1])) for _ in range(rounds)]

    def figure(times: list[float]) -> float:
        each = median(times) / per
        return 1 / each if inverse else each

    ratios = sorted(b / a if inverse else a / b for a, b in pairs)
    print(f"\n{title}")
    for label, times in ((ours[0], [a for a, _ in pairs]), (other[0], [b for _, b in pairs])):
        print(f"  {label:<44}{figure(times):10.4g} {unit}")
    print(
        f"  {'ratio (median; least to most of ' + str(rounds) + ' pairs)':<44}"
        f"{median(ratios):10.3g}   ({ratios[0]:.3g} to {ratios[-1]:.3g})",
        flush=True,
    )
