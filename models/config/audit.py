"""The parameters of an audit: which parts of an arm are derived again."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.config.tables import Table

AuditPart = Literal["data", "start", "steps", "totals", "end"]


class Audit(Table):
    """What an audit job derives again."""

    parts: tuple[AuditPart, ...] = Field(
        ("data", "start", "steps", "totals", "end"),
        min_length=1,
        description="The dataset, the initial weights, chosen steps, the sums over the fit, and "
        "the scores of its end. The dataset is the same for all arms of a phase.",
    )
