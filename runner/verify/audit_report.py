"""``audit.json`` as the runner reads it: whether a second implementation agrees with a job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from runner.core.reading import read_table, typed
from runner.experiment import EXPERIMENT
from runner.experiment.common import AuditPart

OF_ARM = EXPERIMENT.audits.of_arm
"""What is derived for each arm; the data are the same for all that share them."""
REPORT = "audit.json"

Count = Annotated[int, Field(ge=0, le=10**12)]
"""Their sum is an integer of a length that a record may have."""
Sentence = Annotated[str, Field(max_length=4000)]


class Check(BaseModel):
    """One entry of the report, as far as it is counted here."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    verdict: Literal["agrees", "differs", "not comparable"]
    compared: Count


class Report(BaseModel):
    """``audit.json``; see docs/audit.md."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1]
    level: Literal["audited", "in part", "failed"]
    parts: tuple[AuditPart, ...]
    """Those of which anything could be compared."""
    not_comparable: Count
    """Comparisons that say nothing: neither the arm's value nor its twin is finite."""
    differences: Annotated[tuple[Sentence, ...], Field(max_length=1000)]
    checks: tuple[Check, ...]

    @property
    def finds_nothing(self) -> bool:
        """Whether no check found a difference, and those that agree compared something."""
        return (
            self.level != "failed"
            and not self.differences
            and bool(self.checks)
            and all(
                check.verdict == "not comparable" or (check.verdict == "agrees" and check.compared)
                for check in self.checks
            )
        )


def judged(folder: Path, parts: tuple[AuditPart, ...]) -> dict[str, Any]:
    """What the report in ``folder`` says of these parts, as the fields of a record.

    Raises ``ValueError`` for a report that cannot be read, or is of other parts.
    """
    return from_table(read_table(folder, REPORT), parts)


def from_table(table: Mapping[str, JsonValue], parts: tuple[AuditPart, ...]) -> dict[str, Any]:
    """The same of a report that was read."""
    report = typed(Report, dict(table), REPORT)
    if not set(report.parts) <= set(parts) or (not report.parts and not report.not_comparable):
        raise ValueError(f"{REPORT} is about {', '.join(report.parts) or 'nothing'}")
    if not report.finds_nothing and not report.differences:
        raise ValueError(f"{REPORT} tells of no difference, and not every check agrees")
    whole = "agrees" if set(report.parts) == set(parts) else "in_part"
    return {
        "outcome": whole if report.finds_nothing else "differs",
        "differences": report.differences,
        "num_checks": len(report.checks),
        "num_compared": sum(check.compared for check in report.checks),
        "num_not_comparable": report.not_comparable,
    }
