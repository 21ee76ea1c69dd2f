"""What host and jobs have in common whatever is studied; all of it free of torch and numpy.

Strict tables and their kinds of numbers, the machines that bits are promised for, the parts of an
audit, what the job at the end of a phase is given, and exact tests of counts.
"""

from __future__ import annotations

from models.config.audit import AuditPart
from models.config.checkpoints import CheckpointEvery
from models.config.determinism import Determinism, variables
from models.config.summary import (
    Knob,
    Summary,
    SummaryArm,
    SummaryFactor,
    SummaryGroup,
    SummaryPair,
)
from models.config.tables import Fraction, Integer, Table
from models.exact import (
    Counts,
    Effect,
    Sides,
    benjamini_yekutieli,
    boschloo,
    find_rate,
    find_rate_of,
    fisher,
    holm,
)

__all__ = [
    "AuditPart",
    "CheckpointEvery",
    "Counts",
    "Determinism",
    "Effect",
    "Fraction",
    "Integer",
    "Knob",
    "Sides",
    "Summary",
    "SummaryArm",
    "SummaryFactor",
    "SummaryGroup",
    "SummaryPair",
    "Table",
    "benjamini_yekutieli",
    "boschloo",
    "find_rate",
    "find_rate_of",
    "fisher",
    "holm",
    "variables",
]
