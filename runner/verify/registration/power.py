"""What a phase can answer at all: the best that can come out of it, and how probable that is.

Everything here follows from numbers of runs, before any was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import comb

from runner.experiment.common import (
    Counts,
    Effect,
    benjamini_yekutieli,
    boschloo,
    find_rate,
    find_rate_of,
    fisher,
    holm,
)
from runner.hub.records.registered import RegisteredFinding
from runner.manifest.findings import Contrast
from runner.manifest.matrix import MOST_ARMS
from runner.verify.parameter_differences import has_knobs
from runner.verify.registration.confirmation import sides_of
from runner.verify.registration.registered_runs import ArmLike, mismatches
from runner.verify.statistics import Comparison, Statistics

LEVEL = 0.05
"""An adjusted p of a comparison that nobody registered is called evidence below this."""
EFFECTS = ((0.6, 0.0), (0.4, 0.0))
MOST_RUNS = 60
"""Of a group; the power of comparisons between larger ones is not given."""


@dataclass(frozen=True, kw_only=True)
class ContrastDesign:
    """One registered contrast at the number of runs that are planned."""

    finding: str
    contrast: Contrast
    runs: tuple[int, int]
    alpha: float
    best: float | None
    """The adjusted p if every primary contrast came out as extreme as can be."""
    powers: tuple[tuple[tuple[float, float], float], ...]
    """Two rates, and the probability that they are found to differ though no other contrast is."""

    @property
    def can_answer(self) -> bool:
        """Whether any outcome would be evidence."""
        return self.best is not None and self.best <= self.alpha


def registered_designs(
    findings: Iterable[RegisteredFinding], arms: Sequence[ArmLike]
) -> tuple[ContrastDesign, ...]:
    """What each primary contrast of a phase can come to with the arms that are planned."""
    rows = [(one, contrast, _runs(one, contrast, arms)) for one in findings
            for contrast in one.plan.contrasts]  # fmt: skip
    bests = [_most_extreme(one, contrast, runs) for one, contrast, runs in rows]
    adjusted = holm([1.0 if best is None else best for best in bests])
    return tuple(
        ContrastDesign(
            finding=one.id,
            contrast=contrast,
            runs=runs,
            alpha=one.plan.alpha,
            best=None if best is None else p_adjusted,
            powers=() if best is None else tuple(_powers(one, contrast, runs, len(rows))),
        )
        for (one, contrast, runs), best, p_adjusted in zip(rows, bests, adjusted, strict=True)
    )


def registration_mismatches(
    findings: Iterable[RegisteredFinding],
    *,
    phase: str,
    profile: str | None,
    arms: Sequence[ArmLike],
    set_knobs: Mapping[str, object],
) -> Iterator[str]:
    """Why a run of these arms would not count for what is registered, a sentence each."""
    for one in findings:
        for mismatch in mismatches(
            one.plan, phase=phase, profile=profile, arms=arms, set_knobs=set_knobs
        ):
            yield f"this run does not count for {one.id}: {mismatch}"


def _runs(one: RegisteredFinding, contrast: Contrast, arms: Sequence[ArmLike]) -> tuple[int, int]:
    """Registered seeds that are planned for either cell."""
    seeds = set(one.plan.seeds)
    first, second = (
        len({arm.seed for arm in arms if has_knobs(arm.parameters, where)} & seeds)
        for where in one.plan.cells(contrast)
    )
    return first, second


def _most_extreme(
    one: RegisteredFinding, contrast: Contrast, runs: tuple[int, int]
) -> float | None:
    if not all(runs):
        return None
    sides = sides_of(one.plan, contrast)
    hits = (0, runs[1]) if sides == "less" else (runs[0], 0)
    return boschloo(Counts(hits=hits, runs=runs), sides)


def _powers(
    one: RegisteredFinding, contrast: Contrast, runs: tuple[int, int], num_primary: int
) -> Iterator[tuple[tuple[float, float], float]]:
    """Holm's first step decides where no other contrast is found: the level over their number."""
    sides = sides_of(one.plan, contrast)
    for rates in one.plan.effects:
        low, high = sorted(rates)
        effect = Effect(rates=(high, low) if contrast.expect == "higher" else (low, high))
        yield rates, find_rate(effect, runs, one.plan.alpha / num_primary, sides)


# --- comparisons that nobody registered ----------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class KnobDesign:
    """All comparisons of a hub in which one knob alone differs."""

    knob: str
    num_pairs: int
    num_comparisons: int
    runs: tuple[int, int]
    """Of the pair with the fewest."""
    best: float
    """Their adjusted p if all runs on one side of each reached the endpoint, none on the other."""
    powers: tuple[tuple[tuple[float, float], float], ...]
    """Two rates, and the probability that a pair of them is found where nothing else differs."""

    @property
    def can_answer(self) -> bool:
        """Whether such an outcome would be called evidence."""
        return self.best < LEVEL


def knob_designs(statistics: Statistics) -> tuple[KnobDesign, ...]:
    """What the comparisons of a hub could have shown, by Fisher's test as the hub adjusts it."""
    tested = [row for row in statistics.comparisons if _is_tested(row)]
    by_knob: dict[str, list[Comparison]] = {}
    for row in tested:
        if row.controlled:
            by_knob.setdefault(row.knobs[0], []).append(row)
    return tuple(_knob_design(knob, rows, len(tested)) for knob, rows in by_knob.items())


def _is_tested(row: Comparison) -> bool:
    return min(row.endpoint.arms) > 0 and max(row.endpoint.arms) <= MOST_ARMS


def _extreme(runs: tuple[int, int]) -> float:
    """Fisher's p where all runs of the first group reached the endpoint and none of the second.

    Only its mirror image, in groups of one size, is as improbable: nothing is to be enumerated.
    """
    first, second = runs
    return (2 if first == second else 1) / comb(first + second, first)


def _knob_design(knob: str, rows: Sequence[Comparison], number: int) -> KnobDesign:
    extremes = [_extreme(row.endpoint.arms) for row in rows]
    adjusted = benjamini_yekutieli([*extremes, *[1.0] * (number - len(rows))])
    runs = min((row.endpoint.arms for row in rows), key=lambda arms: (min(arms), arms))
    level = LEVEL / (number * sum(1 / rank for rank in range(1, number + 1)))
    return KnobDesign(
        knob=knob,
        num_pairs=len(rows),
        num_comparisons=number,
        runs=runs,
        best=min(adjusted[: len(rows)]),
        powers=tuple(
            (rates, find_rate_of(fisher, Effect(rates=rates), runs, level))
            for rates in EFFECTS
            if max(runs) <= MOST_RUNS
        ),
    )
