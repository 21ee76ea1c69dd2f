"""The last words of a run: what came out of it, and where that is to be read."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

from runner.core.text import listing
from runner.experiment import EXPERIMENT
from runner.hub import layout
from runner.hub.record import HubRecord
from runner.report.tally import tally
from runner.report.wording import STATUS_WORDS, aligned, duration


def ending(record: HubRecord, hub: Path) -> str:
    """The outcome in a line, a table of three, and the report."""
    counted = tally(record)
    rows = [
        ("  arms", f"{counted.succeeded} succeeded"),
        ("  rules", f"{counted.rules_hold} hold" if any(a.rules for a in record.arms) else "none"),
        (f"  {EXPERIMENT.endpoint.past}", counted.reached),
    ]
    began, ended = (datetime.fromisoformat(one) for one in (record.started, record.ended))
    return "\n".join(
        [
            f"{record.phase}: {outcome(record)}, sealed after "
            f"{duration((ended - began).total_seconds())}",
            aligned(rows),
            f"report: {(hub / layout.REPORT).absolute().as_uri()}",
        ]
    )


def outcome(record: HubRecord) -> str:
    """``all arms succeeded``, or what became of the others."""
    others = Counter(arm.status for arm in record.arms if arm.status != "succeeded")
    if not others:
        return "all arms succeeded"
    return listing([f"{number} {STATUS_WORDS[status]}" for status, number in others.items()])
