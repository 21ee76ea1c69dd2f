"""The exact test of one common effect in several strata: the exact form of Cochran's and Mantel's.

Given the sums of every stratum's table, the hits of the first group are hypergeometric in each, and
their sum over the strata is what is tested; no stratum is compared with another one. Source:
M. W. Birch, Journal of the Royal Statistical Society B 26 (1964) 313; A. Agresti, Statistical
Science 7 (1992) 131, section 3.3. In one stratum it is Fisher's test.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.exact.tables import Counts, ways


def stratified(strata: Sequence[Counts]) -> float | None:
    """Two-sided p: of all sums, those that are no more probable; ``None`` without strata."""
    if not strata:
        return None
    sums = {0: 1}
    for one in strata:
        sums = _added(sums, ways(one.total, one.runs))
    observed = sums[sum(one.hits[0] for one in strata)]
    return sum(number for number in sums.values() if number <= observed) / sum(sums.values())


def _added(one: dict[int, int], other: dict[int, int]) -> dict[int, int]:
    """Ways to each sum of two independent counts."""
    found: dict[int, int] = {}
    for x, ways_x in one.items():
        for y, ways_y in other.items():
            found[x + y] = found.get(x + y, 0) + ways_x * ways_y
    return found
