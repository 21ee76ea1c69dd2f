"""The kinds of text and of numbers that a manifest's keys take."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from runner.core.names import SafeName, is_dataset_name
from runner.manifest.rule_parser import parse

TAKEN = {"regression_tests": "the regression tests"}
"""Names of jobs that are no arms, beside those of simulations."""
LONGEST_TEXT = 10_000
"""Characters of a text."""
_STEERING = frozenset("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Signs that end a line or turn it around without being seen."""
FINDING = r"^[A-Z][A-Z0-9]*(-[A-Z0-9]+)+$"


def _arm_name(name: str) -> str:
    taken = "the simulation" if is_dataset_name(name) else TAKEN.get(name)
    if taken:
        raise ValueError(f"the name is taken by {taken}; choose another one")
    return name


def _finding(name: str) -> str:
    if not re.fullmatch(FINDING[1:-1], name):
        raise ValueError("expected the id of a finding, like 'STABLE-LS-001'")
    return name


def _prose(text: str) -> str:
    for sign in text:
        if sign not in "\n\t" and (sign in _STEERING or unicodedata.category(sign) == "Cc"):
            raise ValueError(f"U+{ord(sign):04X} in it cannot be seen; take it out")
    return text


def _argument(text: str) -> str:
    if "\0" in text:
        raise ValueError("no program can be given U+0000; take it out")
    return text


def _image(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*", name):
        raise ValueError("expected the name of an image, like 'python:3.11-slim-bookworm'")
    return name


def _rule(text: str) -> str:
    parse(text)
    return text


ArmName = Annotated[SafeName, AfterValidator(_arm_name)]
FindingId = Annotated[str, AfterValidator(_finding), Field(json_schema_extra={"pattern": FINDING})]
RuleText = Annotated[str, AfterValidator(_rule)]
Prose = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_prose)]
"""Text of which every sign can be seen, on as many lines as it likes; it may be empty."""
Text = Annotated[Prose, Field(min_length=1)]
Argument = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT), AfterValidator(_argument)]
"""One word of a command line."""
ImageName = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_image)]
"""Name of a container image, by tag, digest or id."""
EngineWord = Literal["auto", "docker", "process", "slurm"]
"""Every engine that there is, which tests hold against their names in ``runner.engines.kinds``."""
Seed = Annotated[int, Field(ge=0, lt=2**63)]
