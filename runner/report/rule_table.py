"""Success rules against the arms that were judged, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from runner.hub.records.arm import ArmRecord, RuleRecord
from runner.report.tables import HOLDS, Cell, Column, Table, turned
from runner.report.wording import NOTHING, finding, measured

FEW = 6
"""Arms that stand side by side."""


def judged(arms: Sequence[ArmRecord]) -> tuple[ArmRecord, ...]:
    """The arms that were held against rules."""
    return tuple(arm for arm in arms if arm.rules)


def rules_of(arms: Sequence[ArmRecord]) -> tuple[str, ...]:
    """Every rule that arms were held against."""
    return tuple(dict.fromkeys(rule.rule for arm in arms for rule in arm.rules))


def rule_table(arms: Sequence[ArmRecord]) -> Table | None:
    """A row for each arm that was judged, for each rule where they are few; ``None`` without any.

    A cell has what was measured, whether the rule holds, and how far from its bound.
    """
    shown, rules = judged(arms), rules_of(arms)
    if not shown:
        return None
    table = Table(
        label="Success rules by arm",
        columns=(Column(heading="arm"), *(Column(heading=rule, is_code=True) for rule in rules)),
        rows=tuple((Cell(text=arm.name), *(_cell(arm, rule) for rule in rules)) for arm in shown),
    )
    return table if len(shown) > FEW else turned(table, "rule")


def _cell(arm: ArmRecord, text: str) -> Cell:
    rule = next((rule for rule in arm.rules if rule.rule == text), None)
    if rule is None:
        return Cell(text=NOTHING)
    margin = _margin(rule)
    return Cell(
        text=_values(rule), sign=HOLDS[rule.holds], aside=f"margin {margin}" if margin else ""
    )


def _values(rule: RuleRecord) -> str:
    """What was measured, by name where a rule has several statistics; of flags the outcome."""
    if len(rule.values) < 2:
        name = next(iter(rule.values), rule.rule.removeprefix("not ").strip())
        return finding(name, rule.measured)
    return ", ".join(
        finding(name, value) if isinstance(value, bool) else f"{name} {measured(value)}"
        for name, value in rule.values.items()
    )


def _margin(rule: RuleRecord) -> str:
    """Distance from the bound, of what decides where a rule has several parts."""
    if rule.margin is None:
        return ""
    part = f" of {rule.decided_by}" if rule.decided_by not in ("", rule.rule) else ""
    return f"{rule.margin:+#.3g}{part}"
