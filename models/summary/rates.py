"""How often arms collapse: rates with their intervals, and tests of their difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats

from models.exact import Counts, benjamini_yekutieli
from models.exact import fisher as exact_fisher

CONFIDENCE = 0.95
LEVEL = 0.05
"""An adjusted p below this is called evidence."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """``num`` of ``total`` arms collapsed."""

    num: int
    total: int

    @property
    def words(self) -> str:
        """``2 of 5``."""
        return f"{self.num} of {self.total}"

    def table(self) -> dict[str, Any]:
        """The rate and its Wilson interval; null where no arm counts."""
        if not self.total:
            return {"collapse_rate": None, "collapse_interval": None}
        found = stats.binomtest(self.num, self.total).proportion_ci(CONFIDENCE, method="wilson")
        return {
            "collapse_rate": self.num / self.total,
            "collapse_interval": [float(found.low), float(found.high)],
        }


def fisher(a: Rate, b: Rate) -> float:
    """Two-sided p of Fisher's exact test that both collapse equally often."""
    return exact_fisher(counts(a, b))


def counts(a: Rate, b: Rate) -> Counts:
    """Both groups as a table. Raises ``ValueError`` where one has no run."""
    return Counts(hits=(a.num, b.num), runs=(a.total, b.total))


def smallest_fisher(a: Rate, b: Rate) -> float:
    """The p if all arms of one group collapsed and none of the other: no result has a smaller."""
    return fisher(Rate(num=a.total, total=a.total), Rate(num=0, total=b.total))


def odds_ratio(a: Rate, b: Rate) -> dict[str, Any]:
    """Odds of a collapse in ``b`` over those in ``a``, conditional estimate with exact interval.

    Null stands for what is unbounded or undefined: no odds are where nothing or all collapsed.
    """
    table = [[b.num, b.total - b.num], [a.num, a.total - a.num]]
    found = stats.contingency.odds_ratio(table)
    interval = found.confidence_interval(CONFIDENCE)
    bounds = [finite(interval.low), finite(interval.high)]
    return {"estimate": finite(found.statistic), "interval": bounds}


def adjusted(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values after Benjamini and Yekutieli, which holds however the tests depend on each other.

    Those that were not made stay ``None`` and do not count.
    """
    made = [p for p in p_values if p is not None]
    found = iter(benjamini_yekutieli(made))
    return [None if p is None else next(found) for p in p_values]


def is_evidence(p_adjusted: float | None) -> bool:
    """Whether an adjusted p is small enough to speak of evidence."""
    return p_adjusted is not None and p_adjusted < LEVEL


def finite(value: float) -> float | None:
    """The value, or ``None`` for what JSON has no word for."""
    return float(value) if math.isfinite(value) else None
