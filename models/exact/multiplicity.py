"""p-values adjusted for being several."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values after Holm, in the order given.

    The probability of any wrong rejection keeps to the level however the tests depend on each
    other. Source: S. Holm, Scandinavian Journal of Statistics 6 (1979) 65.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, (len(p_values) - rank) * p_values[place])
        adjusted[place] = min(1.0, largest)
    return adjusted


def benjamini_yekutieli(p_values: Sequence[float]) -> list[float]:
    """p-values after Benjamini and Yekutieli, in the order given.

    The expected share of wrong rejections keeps to the level however the tests depend on each
    other. Source: Y. Benjamini and D. Yekutieli, Annals of Statistics 29 (2001) 1165.
    """
    number = len(p_values)
    factor = number * sum(1 / rank for rank in range(1, number + 1))
    adjusted = [0.0] * number
    smallest = 1.0
    ranked = sorted(range(number), key=lambda place: p_values[place], reverse=True)
    for rank, place in zip(range(number, 0, -1), ranked, strict=True):
        smallest = min(smallest, factor * p_values[place] / rank)
        adjusted[place] = smallest
    return adjusted
