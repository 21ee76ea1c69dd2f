"""How probable it is that a test finds an effect of a stated size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import comb

from models.exact.boschloo import design
from models.exact.tables import Counts, Sides


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The true rates of two groups."""

    rates: tuple[float, float]


def find_rate(effect: Effect, runs: tuple[int, int], level: float, sides: Sides) -> float:
    """Probability that Boschloo's p is at most ``level``, on whichever side is asked for."""
    found: set[tuple[int, int]] = set()
    part = level / 2 if sides == "two-sided" else level
    if sides != "less":
        found |= design(runs).region(part)
    if sides != "greater":
        found |= {(y, x) for x, y in design(runs[::-1]).region(part)}
    first, second = (binomial(n, rate) for n, rate in zip(runs, effect.rates, strict=True))
    return sum(first[x] * second[y] for x, y in sorted(found))


def find_rate_of(
    test: Callable[[Counts], float], effect: Effect, runs: tuple[int, int], level: float
) -> float:
    """The same of any test, by enumeration of all tables."""
    first, second = (binomial(n, rate) for n, rate in zip(runs, effect.rates, strict=True))
    chances = {
        (x, y): first[x] * second[y]
        for x, y in product(range(runs[0] + 1), range(runs[1] + 1))
        if first[x] * second[y]  # where a rate is 0, most tables cannot come out
    }
    return sum(
        chance for hits, chance in chances.items() if test(Counts(hits=hits, runs=runs)) <= level
    )


def binomial(runs: int, rate: float) -> list[float]:
    """Probabilities of 0 to ``runs`` hits."""
    return [comb(runs, x) * rate**x * (1 - rate) ** (runs - x) for x in range(runs + 1)]
