"""Boschloo's exact test of two rates, which rejects wherever Fisher's does, and more often.

Only the runs of each group are given, not the sum of the hits: the p-value is the probability of
all tables whose one-sided Fisher p is no larger than that of the table at hand, at the common rate
at which this is most probable. Source: R. D. Boschloo, Statistica Neerlandica 24 (1970) 1. The
two-sided p is twice the smaller one-sided one, as in ``scipy.stats.boschloo_exact``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from math import comb

from models.exact.bernstein import largest
from models.exact.tables import Counts, Sides, ways

Table = tuple[int, int]
"""Hits of the first and of the second group."""


def boschloo(counts: Counts, sides: Sides = "two-sided") -> float:
    """The p-value. With ``greater`` it is small where the first group has more hits."""
    if sides == "greater":
        return design(counts.runs).p_value(counts.hits)
    if sides == "less":
        return design(counts.runs[::-1]).p_value(counts.hits[::-1])
    return min(1.0, 2 * min(boschloo(counts, "less"), boschloo(counts, "greater")))


@lru_cache(maxsize=64)
def design(runs: tuple[int, int]) -> Design:
    """The design of so many runs, made once."""
    return Design(runs)


@dataclass(frozen=True)
class Design:
    """All tables of two groups, ordered by how much they speak for a higher first rate."""

    runs: tuple[int, int]

    @cached_property
    def statistics(self) -> dict[Table, Fraction]:
        """Fisher's p of each table that the first group has as many hits or more."""
        found: dict[Table, Fraction] = {}
        for total in range(sum(self.runs) + 1):
            number = ways(total, self.runs)
            whole, tail = sum(number.values()), 0
            for first in sorted(number, reverse=True):
                tail += number[first]
                found[first, total - first] = Fraction(tail, whole)
        return found

    @cached_property
    def ordered(self) -> list[Fraction]:
        """The values that the statistic takes, the most telling first."""
        return sorted(set(self.statistics.values()))

    @cached_property
    def _made(self) -> dict[Fraction, float]:
        return {}

    def p_value(self, table: Table) -> float:
        """Boschloo's p that the first rate is higher."""
        return self._p_of(self.statistics[table])

    def _p_of(self, statistic: Fraction) -> float:
        if statistic not in self._made:
            self._made[statistic] = self._largest(statistic)
        return self._made[statistic]

    def _largest(self, statistic: Fraction) -> float:
        region = [table for table, one in self.statistics.items() if one <= statistic]
        return min(1.0, largest(self._by_total(region)))

    def _by_total(self, region: Iterable[Table]) -> list[float]:
        """Share of a region among the tables of each total: coefficients in the common rate."""
        first, second = self.runs
        number = [0] * (first + second + 1)
        for x, y in region:
            number[x + y] += comb(first, x) * comb(second, y)
        return [count / comb(first + second, total) for total, count in enumerate(number)]

    def region(self, level: float) -> set[Table]:
        """The tables whose p is at most ``level``."""
        low, high = 0, len(self.ordered)
        while low < high:  # p grows with the statistic
            middle = (low + high) // 2
            if self._p_of(self.ordered[middle]) <= level:
                low = middle + 1
            else:
                high = middle
        if not low:
            return set()
        return {t for t, one in self.statistics.items() if one <= self.ordered[low - 1]}
