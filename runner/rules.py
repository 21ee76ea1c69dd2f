"""Success rules: ``amp_ssim >= 0.80``, ``collapsed``, ``not has_nan``.

A rule names one scalar of an arm's ``stats.json``. It is parsed by a pattern and never executed.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from models.config import STATS

Comparison = Literal[">=", "<=", "==", "!=", ">", "<"]

_COMPARE: dict[Comparison, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_MARGIN: dict[Comparison, Callable[[float, float], float]] = {
    ">=": lambda measured, bound: measured - bound,
    ">": lambda measured, bound: measured - bound,
    "<=": lambda measured, bound: bound - measured,
    "<": lambda measured, bound: bound - measured,
    "==": lambda measured, bound: -abs(measured - bound),
    "!=": lambda measured, bound: abs(measured - bound),
}
_NUMBER_RULE = re.compile(
    r"\s*(?P<stat>\w+)\s*(?P<comparison>[<>]=?|[!=]=)\s*"
    r"(?P<bound>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*",
    re.ASCII,
)
_FLAG_RULE = re.compile(r"\s*(?P<negated>not\s+)?(?P<stat>\w+)\s*", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class RuleResult:
    """A rule beside what was measured."""

    rule: Rule
    measured: float | bool | None
    """The statistic as the arm reported it; ``None`` when it is null, absent or not a number."""
    margin: float | None
    """Distance from the bound, in the statistic's unit, positive on the side where the rule holds;
    ``None`` for flags and for undefined statistics."""
    holds: bool | None
    """``None`` when the statistic is undefined, which is never success."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A condition on one statistic: a comparison with a bound, or a flag that is wanted or not."""

    stat: str
    comparison: Comparison | None = None
    bound: float | None = None
    negated: bool = False

    def __str__(self) -> str:
        """The rule in its one spelling, which ``parse`` reads back to an equal rule."""
        if self.comparison is None:
            return f"not {self.stat}" if self.negated else self.stat
        return f"{self.stat} {self.comparison} {self.bound!r}"

    def evaluate(self, stats: Mapping[str, object]) -> RuleResult:
        """Compare with the flat statistics of one arm, the content of its ``stats.json``."""
        measured = stats.get(self.stat)
        if self.comparison is None or self.bound is None:
            if not isinstance(measured, bool):
                return RuleResult(rule=self, measured=None, margin=None, holds=None)
            holds = measured is not self.negated
            return RuleResult(rule=self, measured=measured, margin=None, holds=holds)
        if not _is_number(measured):
            return RuleResult(rule=self, measured=None, margin=None, holds=None)
        value = cast("float", measured)
        return RuleResult(
            rule=self,
            measured=value,
            margin=_MARGIN[self.comparison](value, self.bound),
            holds=_COMPARE[self.comparison](value, self.bound),
        )


def parse(text: str) -> Rule:
    """Read one rule. Raises ``ValueError`` that says what is wrong and how to write it."""
    if match := _NUMBER_RULE.fullmatch(text):
        stat, bound = match["stat"], float(match["bound"])
        _require(stat, "number", f"'{stat}' is a flag; write '{stat}' or 'not {stat}'")
        if not math.isfinite(bound):
            raise ValueError(f"the bound {match['bound']} is too large; write a finite number")
        return Rule(stat=stat, comparison=cast("Comparison", match["comparison"]), bound=bound)
    if match := _FLAG_RULE.fullmatch(text):
        stat = match["stat"]
        _require(stat, "flag", f"'{stat}' is a number; compare it, as in '{stat} >= 0.5'")
        return Rule(stat=stat, negated=match["negated"] is not None)
    raise ValueError(
        "not a rule; write '<statistic> <operator> <number>' with one of >= <= > < == !=, "
        "'<flag>' or 'not <flag>'"
    )


def _require(stat: str, kind: Literal["number", "flag"], otherwise: str) -> None:
    if stat in STATS:
        if STATS[stat] != kind:
            raise ValueError(otherwise)
        return
    nearest = difflib.get_close_matches(stat, STATS, n=1)
    known = f"did you mean '{nearest[0]}'?" if nearest else f"known are {', '.join(STATS)}"
    raise ValueError(f"'{stat}' is not a statistic; {known}")


def _is_number(measured: object) -> bool:
    return (
        isinstance(measured, int | float)
        and not isinstance(measured, bool)
        and math.isfinite(measured)
    )
