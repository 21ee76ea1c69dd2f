"""Fisher's exact test: what the counts say once the sum of both groups is given."""

from __future__ import annotations

from models.exact.tables import Counts, ways


def fisher(counts: Counts) -> float:
    """Two-sided p: of all tables with these sums, those that are no more probable (Fisher 1935)."""
    found = ways(counts.total, counts.runs)
    observed = found[counts.hits[0]]
    return sum(one for one in found.values() if one <= observed) / sum(found.values())
