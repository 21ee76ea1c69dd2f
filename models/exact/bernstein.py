"""The largest value of a polynomial on [0, 1], between bounds that are certain."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

TOLERANCE = 1e-9
"""Relative distance of the bound that is returned from a value that is taken."""


def largest(coefficients: Sequence[float]) -> float:
    """A bound of max over t of Σ cₖ·B(k; t), at most 1e-9 of itself above the maximum.

    B(k; t) is the probability of k hits in as many runs as there are coefficients less one, each
    with probability t. On an interval the polynomial is between the smallest and the largest of its
    coefficients there, and equals the outer ones at its ends (de Casteljau): intervals are halved
    until their bound tells nothing more. No grid is laid that a peak could fall between.
    """
    taken = max(coefficients[0], coefficients[-1])
    bound = taken
    waiting = [list(coefficients)]
    while waiting:
        part = waiting.pop()
        most = max(part)
        if most <= taken * (1 + TOLERANCE):
            bound = max(bound, most)
            continue
        left, right = _halved(part)
        taken = max(taken, right[0])
        waiting += [left, right] if left[-1] < right[1] else [right, left]
    return max(bound, taken)


def _halved(part: list[float]) -> tuple[list[float], list[float]]:
    """The coefficients on both halves of an interval."""
    left, right = [part[0]], [part[-1]]
    while len(part) > 1:
        part = [(one + other) / 2 for one, other in pairwise(part)]
        left.append(part[0])
        right.append(part[-1])
    return left, right[::-1]
