"""What a comparison says in words: where there is no evidence, so it says, never "no effect"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.summary.rates import LEVEL, Rate, is_evidence, smallest_fisher
from models.summary.spreads import smallest_p

ONE_SEED = "one seed each: no evidence either way"


def collapse(
    labels: tuple[str, str],
    rates: tuple[Rate, Rate],
    p_value: float | None,
    p_adjusted: float | None,
    num_pairs: int,
) -> str:
    """Whether one of two groups collapses more often."""
    (one, other), (a, b) = labels, rates
    if p_value is None:
        missing = " and ".join(
            label for label, rate in zip(labels, rates, strict=True) if not rate.total
        )
        return f"no evidence: no arm of {missing} counts"
    counts = f"{one}: {a.words} collapsed, {other}: {b.words}"
    if a.total == b.total == 1:
        return f"{counts}; {ONE_SEED}"
    p_text = tested("Fisher p", p_value, p_adjusted, num_pairs)
    if is_evidence(p_adjusted):
        more = one if a.num * b.total > b.num * a.total else other
        return f"{counts}; evidence that {more} collapses more often ({p_text})"
    why = hopeless(smallest_fisher(a, b)) or outnumbered(p_value)
    return f"{counts}; no evidence of a difference ({p_text}){why}"


def score(
    metric: str,
    labels: tuple[str, str],
    row: Mapping[str, Any],
    p_adjusted: float | None,
    num_pairs: int,
    *,
    evidence: bool,
) -> str:
    """Whether a score of two groups differs. ``row`` is that of ``spreads.difference``."""
    if row["difference"] is None:
        return f"{metric}: no evidence: {row['reason']}"
    one, other = labels
    apart = f"Δ median {metric}, {other} − {one}: {row['difference']:+.4g}"
    if row["n"] == [1, 1]:
        return f"{apart}; {ONE_SEED}"
    if row["interval"]:
        low, high = row["interval"]
        apart += f" (95 % interval {low:+.4g} to {high:+.4g})"
    if row["p_value"] is None:
        return f"{apart}; a single run on one side: no evidence either way"
    p_text = tested("Mann-Whitney p", row["p_value"], p_adjusted, num_pairs)
    if evidence:
        return f"{apart}; evidence of a difference ({p_text})"
    why = hopeless(smallest_p(*row["n"])) or outnumbered(row["p_value"])
    return f"{apart}; no evidence of a difference ({p_text}){why}"


def factor(
    knob: str,
    rates: Mapping[str, Rate],
    p_value: float | None,
    p_adjusted: float | None,
    num_factors: int,
) -> str:
    """Whether the rate of collapse depends on a knob, pooled over all other knobs."""
    counts = ", ".join(f"{value}: {rate.words} collapsed" for value, rate in rates.items())
    if p_value is None:
        return f"{knob}: {counts}; no test was made"
    p_text = tested("exact stratified test, p", p_value, p_adjusted, num_factors)
    if is_evidence(p_adjusted):
        return f"{knob}: {counts}; evidence that the rate depends on it ({p_text})"
    why = outnumbered(p_value)
    return f"{knob}: {counts}; no evidence that the rate depends on it ({p_text}){why}"


def tested(test: str, p_value: float, p_adjusted: float | None, num_tests: int) -> str:
    """A test's p, raw and adjusted."""
    text = f"{test} = {p_value:.3g}"
    if num_tests > 1 and p_adjusted is not None:
        text += f", adjusted for {num_tests} comparisons {p_adjusted:.3g}"
    return text


def hopeless(smallest: float) -> str:
    """What to say where no result could have been evidence."""
    if smallest < LEVEL:
        return ""
    return f"; so few runs cannot show one: no result has a p below {smallest:.3g}"


def outnumbered(p_value: float) -> str:
    """What to say where a test alone would have been evidence, and one among many is not."""
    if p_value >= LEVEL:
        return ""
    return "; a hint at most: among so many comparisons such a result can be chance"
