"""A hub in three phrases: how many arms succeeded, met the rules, reached the endpoint."""

from __future__ import annotations

from dataclasses import dataclass

from runner.hub.record import HubRecord
from runner.report.wording import NOTHING

MOST_NAMED = 6


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What became of the arms of a hub."""

    succeeded: str
    """``2 of 2``."""
    rules_hold: str
    """Of the arms that were judged; a dash where none was."""
    reached: str
    """Names, or their number where there are many; a dash where none did."""


def tally(record: HubRecord) -> Tally:
    """Count the arms of a hub."""
    judged = [arm for arm in record.arms if arm.rules]
    names = [arm.name for arm in record.arms if arm.fate.reached]
    many = f"{len(names)} arms"
    return Tally(
        succeeded=f"{sum(arm.status == 'succeeded' for arm in record.arms)} of {len(record.arms)}",
        rules_hold=f"{sum(arm.met_all_rules for arm in judged)} of {len(judged)}"
        if judged
        else NOTHING,
        reached=(", ".join(names) if len(names) <= MOST_NAMED else many) or NOTHING,
    )
