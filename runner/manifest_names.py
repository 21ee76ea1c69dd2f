"""The kinds of text and of numbers that a manifest's keys take."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from runner.names import SafeName
from runner.rule_parser import parse

TAKEN = {"dataset": "the simulation", "regression_tests": "the regression tests"}
"""Names of jobs that are no arms."""
FINDING = r"^[A-Z][A-Z0-9]*(-[A-Z0-9]+)+$"


def _arm_name(name: str) -> str:
    if name in TAKEN:
        raise ValueError(f"the name is taken by {TAKEN[name]}; choose another one")
    return name


def _finding(name: str) -> str:
    if not re.fullmatch(FINDING[1:-1], name):
        raise ValueError("expected the id of a finding, like 'STABLE-LS-001'")
    return name


def _rule(text: str) -> str:
    parse(text)
    return text


ArmName = Annotated[SafeName, AfterValidator(_arm_name)]
FindingId = Annotated[str, AfterValidator(_finding), Field(json_schema_extra={"pattern": FINDING})]
RuleText = Annotated[str, AfterValidator(_rule)]
Text = Annotated[str, Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
