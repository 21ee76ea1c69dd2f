"""Two groups, and how many of each show what is counted."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Literal

Sides = Literal["two-sided", "less", "greater"]
"""What the first group's rate is held to be: unlike, below or above that of the second."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """``hits[k]`` of ``runs[k]`` runs of the k-th of two groups show it."""

    hits: tuple[int, int]
    runs: tuple[int, int]

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for counts that there cannot be."""
        for hits, runs in zip(self.hits, self.runs, strict=True):
            if not 0 <= hits <= runs or not runs:
                raise ValueError(f"{hits} of {runs} runs: expected 0 ≤ hits ≤ runs, and a run")

    @property
    def total(self) -> int:
        """Hits in both groups."""
        return sum(self.hits)


def ways(total: int, runs: tuple[int, int]) -> dict[int, int]:
    """Hits of the first group → number of ways, where both groups have ``total`` together."""
    first, second = runs
    fewest, most = max(0, total - second), min(first, total)
    found = {fewest: comb(first, fewest) * comb(second, total - fewest)}
    for x in range(fewest, most):  # C(n, x + 1) = C(n, x)·(n − x)/(x + 1); the division is exact
        step = found[x] * (first - x) * (total - x)
        found[x + 1] = step // ((x + 1) * (second - total + x + 1))
    return found
