"""What a check found, and how a difference is put into words: first tensor, worst element, size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np

TWIN = 20.0
"""Times that a number may be farther from float64 than the float32 twin is."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that was derived, and what the arm has in its place."""

    place: str
    """Which tensor, element, epoch or file."""
    derived: object
    found: object
    size: float
    """The difference, in the unit of ``allowed``."""
    allowed: float

    @property
    def excess(self) -> float:
        """``size`` over ``allowed``; agreement is anything up to 1."""
        if math.isnan(self.size):
            return math.inf
        return self.size / self.allowed if self.allowed > 0 else (math.inf if self.size else 0.0)


@dataclass(kw_only=True)
class Check:
    """One entry of the report: everything that was compared under one name."""

    name: str
    declared: str
    """What was declared, in words or as a formula."""
    compared: int = 0
    measured_numbers: int = 0
    """Comparisons of them in which numbers were held against each other; counters are none."""
    worst: Difference | None = None
    failed: list[Difference] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What should have been compared and cannot be, which counts as a difference."""
    not_comparable: int = 0
    """Comparisons of which neither outcome says anything: no side has a number."""

    def add(self, difference: Difference) -> None:
        """Take a comparison into account."""
        self.compared += 1
        if self.worst is None or difference.excess > self.worst.excess:
            self.worst = difference
        if difference.excess > 1:
            self.failed.append(difference)

    def compare(
        self, place: str, derived: object, found: object, size: float, allowed: float
    ) -> None:
        """Hold something that was derived against what the arm has, ``size`` apart."""
        self.measured_numbers += 1
        self.add(Difference(place=place, derived=derived, found=found, size=size, allowed=allowed))

    def equal(self, place: str, derived: object, found: object) -> None:
        """Compare two values that must be the same."""
        size = float(derived != found)
        self.add(Difference(place=place, derived=derived, found=found, size=size, allowed=0.5))

    def close(
        self, place: str, derived: object, found: object, relative: float, absolute: float = 0.0
    ) -> None:
        """Compare two numbers; what is not finite or undefined must be so on both sides.

        Of two that are not finite in other ways, as of inf and NaN or null, nothing can be said:
        which of them an overflow ends in is rounding, and JSON has one word for all.
        """
        if is_number(derived) and is_number(found):
            allowed = relative * max(abs(derived), abs(found)) + absolute
            self.compare(place, derived, found, abs(derived - found), allowed)
            return
        kinds = (not_finite_as(derived), not_finite_as(found))
        if None in kinds:
            self.equal(place, derived, found)
        elif kinds[0] == kinds[1]:
            self.equal(place, *kinds)
        else:
            self.not_comparable += 1

    def measured(
        self,
        place: str,
        derived: float,
        twin: float,
        found: object,
        relative: float,
        slack: float = 0.0,
    ) -> None:
        """Compare a number that float32 may round ``TWIN`` times as much as it does ``twin``.

        ``slack`` is allowed beside that. Where the arm's and the twin are both not finite nothing
        can be said.
        """
        if not is_number(found) and not math.isfinite(twin):
            self.not_comparable += 1
            return
        rounding = TWIN * abs(derived - twin)
        allowed = slack + (rounding if math.isfinite(rounding) else 0)
        self.close(place, derived, found, relative, allowed)

    @property
    def verdict(self) -> str:
        """``agrees`` or ``differs``; ``not comparable`` where neither can be said of anything."""
        if self.failed or self.problems:
            return "differs"
        if self.compared:
            return "agrees"
        return "not comparable" if self.not_comparable else "differs"

    def table(self) -> dict[str, Any]:
        """The entry as JSON has it; the first five differences are listed."""
        return {
            "name": self.name,
            "verdict": self.verdict,
            "declared": self.declared,
            "compared": self.compared,
            "not_comparable": self.not_comparable,
            "worst": None if self.worst is None else table_of(self.worst),
            "differences": [table_of(difference) for difference in self.failed[:5]],
            "num_differences": len(self.failed),
            "problems": self.problems[:5],
        }


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)


def not_finite_as(value: object) -> str | None:
    """In which way it has no number; ``None`` for a number, and for what could never be one."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "undefined"
    return str(value) if isinstance(value, float) and math.isinf(value) else None


def table_of(difference: Difference) -> dict[str, Any]:
    """A difference with every number that JSON has a word for."""
    d = difference
    names = ("place", "derived", "found", "difference", "tolerance")
    values = (d.place, d.derived, d.found, d.size, d.allowed)
    return dict(zip(names, map(plain, values), strict=True))


def plain(value: object) -> object:
    """The value as Python's own, or its name where JSON has no number for it."""
    value = value.item() if isinstance(value, np.generic) else value
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def silent(window: range, checks: Sequence[Check]) -> bool:
    """Whether of the steps of a window no number could be compared: the fit had overflowed."""
    names = {f"step {number}" for number in window}
    of_window = [check for check in checks if check.name.partition(":")[0] in names]
    return not any(check.measured_numbers or check.problems for check in of_window)


def sentence(check: Check) -> str:
    """Why a check failed, in one line."""
    if check.problems:
        return f"{check.name}: {check.problems[0]}"
    if not check.failed:
        return f"{check.name}: nothing could be compared"
    first = check.failed[0]
    more = f" (and {len(check.failed) - 1} more)" if len(check.failed) > 1 else ""
    return (
        f"{check.name}: declared {check.declared}; {first.place}: derived {first.derived}, the arm "
        f"has {first.found}, {first.size:.3g} apart where {first.allowed:.3g} is rounding{more}"
    )
