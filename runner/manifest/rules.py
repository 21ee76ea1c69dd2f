"""Success rules: ``score >= 0.80 and not failed``; what a rule says of what was measured.

A rule is built of comparisons of a statistic with a number or with another statistic, of flags,
and of ``not``, ``and``, ``or``. Nothing in it is ever executed. ``rule_parser`` reads it.

**Undefined statistics.** A statistic that is null, absent or no finite number is undefined, and so
is everything that depends on it: ``and`` with an operand that fails still fails, ``or`` with one
that holds still holds, all else is undefined (Kleene 1938), which is never success.

**Margins.** The margin of a comparison is the distance from its bound, positive on the side where
it holds; flags have none. The margin of the whole is that of the *deciding* comparison or flag: of
an ``and`` the one that is nearest to failing or fails most, of an ``or`` the one that holds by most
or is nearest to holding. Since statistics have different units, operands are put in order by their
margin relative to the size of the bound (by the margin itself where the bound is 0); a flag stands
beyond all comparisons.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeGuard

Operator = Literal[">=", "<=", "==", "!=", ">", "<"]
Stats = Mapping[str, object]
Measured = float | bool | None

HOLDS: dict[Operator, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_MARGIN: dict[Operator, Callable[[float, float], float]] = {
    ">=": lambda measured, bound: measured - bound,
    ">": lambda measured, bound: measured - bound,
    "<=": lambda measured, bound: bound - measured,
    "<": lambda measured, bound: bound - measured,
    "==": lambda measured, bound: -abs(measured - bound),
    "!=": lambda measured, bound: abs(measured - bound),
}


@dataclass(frozen=True, kw_only=True)
class RuleOutcome:
    """A rule held against the statistics of one arm."""

    holds: bool | None
    """``None`` when it depends on a statistic that is undefined, which is never success."""
    margin: float | None
    """Margin of what decides, in the unit of its statistic; ``None`` for flags and undefined."""
    measured: Measured
    """The statistic of what decides, ``None`` if it is undefined."""
    decided_by: str
    """The comparison or flag that decides, in its one spelling."""
    order: float
    """Margin relative to the size of the bound; infinite for a flag."""


@dataclass(frozen=True)
class StatComparison:
    """A statistic against a number or against another statistic."""

    stat: str
    operator: Operator
    bound: float | str

    def __str__(self) -> str:
        """The rule in its one spelling."""
        bound = self.bound if isinstance(self.bound, str) else repr(self.bound)
        return f"{self.stat} {self.operator} {bound}"

    def stats(self) -> Iterator[str]:
        """The statistics that it names."""
        yield self.stat
        if isinstance(self.bound, str):
            yield self.bound

    def evaluate(self, stats: Stats) -> RuleOutcome:
        """Compare with the flat statistics of one arm, the content of its ``stats.json``."""
        measured = stats.get(self.stat)
        bound = stats.get(self.bound) if isinstance(self.bound, str) else self.bound
        if not _is_number(measured) or not _is_number(bound):
            return _undefined(str(self), measured if _is_number(measured) else None)
        margin = _MARGIN[self.operator](measured, bound)
        return RuleOutcome(
            holds=HOLDS[self.operator](measured, bound),
            margin=margin,
            measured=measured,
            decided_by=str(self),
            order=margin / abs(bound) if bound else margin,
        )


@dataclass(frozen=True)
class Flag:
    """A statistic that is true or false."""

    stat: str

    def __str__(self) -> str:
        """The rule in its one spelling."""
        return self.stat

    def stats(self) -> Iterator[str]:
        """The statistics that it names."""
        yield self.stat

    def evaluate(self, stats: Stats) -> RuleOutcome:
        """Look it up in the statistics of one arm."""
        measured = stats.get(self.stat)
        if not isinstance(measured, bool):
            return _undefined(str(self), None)
        return RuleOutcome(
            holds=measured,
            margin=None,
            measured=measured,
            decided_by=str(self),
            order=math.inf if measured else -math.inf,
        )


@dataclass(frozen=True)
class Not:
    """The opposite of a rule."""

    operand: Rule

    def __str__(self) -> str:
        """The rule in its one spelling."""
        grouped = isinstance(self.operand, AllOf | AnyOf)
        return f"not ({self.operand})" if grouped else f"not {self.operand}"

    def stats(self) -> Iterator[str]:
        """The statistics that it names."""
        yield from self.operand.stats()

    def evaluate(self, stats: Stats) -> RuleOutcome:
        """Turn the outcome round; a comparison or flag with ``not`` before it decides as one."""
        inner = self.operand.evaluate(stats)
        simple = isinstance(self.operand, StatComparison | Flag)
        return replace(
            inner,
            holds=None if inner.holds is None else not inner.holds,
            margin=None if inner.margin is None else -inner.margin,
            decided_by=str(self) if simple else inner.decided_by,
            order=-inner.order,
        )


@dataclass(frozen=True)
class AllOf:
    """Two or more rules that must hold together."""

    operands: tuple[Rule, ...]

    def __str__(self) -> str:
        """The rule in its one spelling."""
        return " and ".join(
            f"({rule})" if isinstance(rule, AllOf | AnyOf) else str(rule) for rule in self.operands
        )

    def stats(self) -> Iterator[str]:
        """The statistics that it names."""
        for rule in self.operands:
            yield from rule.stats()

    def evaluate(self, stats: Stats) -> RuleOutcome:
        """Fail with any operand that fails; hold if all hold."""
        return _decide([rule.evaluate(stats) for rule in self.operands], decisive=False)


@dataclass(frozen=True)
class AnyOf:
    """Two or more rules of which one must hold."""

    operands: tuple[Rule, ...]

    def __str__(self) -> str:
        """The rule in its one spelling."""
        return " or ".join(
            f"({rule})" if isinstance(rule, AnyOf) else str(rule) for rule in self.operands
        )

    def stats(self) -> Iterator[str]:
        """The statistics that it names."""
        for rule in self.operands:
            yield from rule.stats()

    def evaluate(self, stats: Stats) -> RuleOutcome:
        """Hold with any operand that holds; fail if all fail."""
        return _decide([rule.evaluate(stats) for rule in self.operands], decisive=True)


Rule = StatComparison | Flag | Not | AllOf | AnyOf


def values(rule: Rule, stats: Stats) -> dict[str, Measured]:
    """Every statistic that a rule names, as it was measured; ``None`` where it is undefined."""
    found: dict[str, Measured] = {}
    for name in rule.stats():
        value = stats.get(name)
        found[name] = value if isinstance(value, bool) or _is_number(value) else None
    return found


def _decide(outcomes: list[RuleOutcome], *, decisive: bool) -> RuleOutcome:
    """The operand that decides: ``decisive`` is the truth value that settles the matter alone."""
    settling = [outcome for outcome in outcomes if outcome.holds is decisive]
    undefined = [outcome for outcome in outcomes if outcome.holds is None]
    if not settling and undefined:
        return undefined[0]
    choose = max if decisive else min
    return choose(settling or outcomes, key=lambda outcome: outcome.order)


def _undefined(rule: str, measured: Measured) -> RuleOutcome:
    return RuleOutcome(holds=None, margin=None, measured=measured, decided_by=rule, order=0.0)


def _is_number(measured: object) -> TypeGuard[int | float]:
    if not isinstance(measured, int | float) or isinstance(measured, bool):
        return False
    return -sys.float_info.max <= measured <= sys.float_info.max  # an integer may be larger
