"""The register of findings: claims in words, and what would have to be seen for each to hold.

``docs/study/findings.toml`` is written by hand. It never holds a result: what a claim's status is
follows from sealed hubs by the expectations that stand beside it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, Field

from models.config import Integer, Parameters, Table
from runner.complaints import Complaint, did_you_mean, listed, render
from runner.errors import ManifestError
from runner.field_types import FieldType, below, is_table, kinds_of
from runner.manifest_checks import check_structure
from runner.manifest_names import FINDING, FindingId, RuleText, Text
from runner.names import SafeName
from runner.overrides import SECTIONS, table
from runner.toml_source import Source, read_given

REGISTER = Path("docs", "study", "findings.toml")
"""Where a study's register lies, from the folder of its project."""

Measure = Literal[
    "collapse",
    "amp_ssim",
    "amp_mae",
    "phase_aligned_ssim",
    "phase_aligned_mae",
    "phase_ssim",
    "phase_mae",
    "val_loss_best",
    "val_loss_final",
]
"""What groups of arms are compared by: how often they collapse, or a score."""

KnobValue: TypeAlias = str | bool | int | float


def _date(text: str) -> str:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError("expected a date, like '2026-01-28'") from None
    return text


def _knob(name: str) -> str:
    if not _is_knob(name):
        raise ValueError("expected the dotted name of a knob, like 'train.optimizer.kind'")
    return name


Date = Annotated[str, AfterValidator(_date)]
Where = Annotated[
    dict[Annotated[str, AfterValidator(_knob)], KnobValue],
    Field(min_length=1),
]
"""Knobs by their dotted names; meant are the arms whose plans have these values."""


class _Expectation(Table):
    phase: SafeName = Field(description="The phase whose newest sealed hub is asked.")
    profile: SafeName | None = Field(
        None, description="The profile of that hub; by default the phase itself, in full."
    )


class RateExpectation(_Expectation):
    """How often arms of one group collapse: more or less often than in a share of all runs."""

    kind: Literal["rate"] = "rate"
    arms: Where = Field(description="The group.")
    expect: Literal["above", "below"] = Field(
        description="On which side of the bound the whole 95 % interval is expected."
    )
    bound: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        description="Share of runs; `above` 0 asks for one collapse at least."
    )


class ComparisonExpectation(_Expectation):
    """What two groups differ in."""

    kind: Literal["comparison"] = "comparison"
    measure: Measure = Field("collapse", description="What is compared.")
    arms: Where = Field(description="The group that is spoken of.")
    against: Where = Field(description="The group that it is compared with.")
    expect: Literal["lower", "higher"] = Field(
        description="On which side of the other group's the measure is expected."
    )


class RuleExpectation(_Expectation):
    """What each single arm of a kind shows."""

    kind: Literal["rule"] = "rule"
    among: Literal["all", "collapsed", "not_collapsed"] = Field(
        "all", description="Arms that ran as planned: all of them, or those of one fate."
    )
    arms: Where | None = Field(None, description="Only arms with these knobs.")
    rule: RuleText = Field(description="A rule as in `[verdict]`, expected to hold for each.")


Expectation: TypeAlias = RateExpectation | ComparisonExpectation | RuleExpectation


class Finding(Table):
    """A claim that hubs can support or refute."""

    id: FindingId = Field(description="Id by which manifests name it.")
    date: Date = Field(description="Day on which it was written down.")
    claim: Text = Field(description="What is claimed, in words.")
    basis: Text = Field(description="Where the claim comes from, and how to read its status.")
    evidence: tuple[Annotated[Expectation, Field(discriminator="kind")], ...] = Field(
        (), description="What would have to be seen; the claim is that all of it is."
    )


class Register(Table):
    """The findings of a study."""

    schema_version: Annotated[Literal[1], Integer] = Field(description="Version of this format: 1.")
    findings: tuple[Finding, ...] = Field(description="The findings, each under `[[findings]]`.")


def load_register(path: Path) -> Register:
    """Read and check a register.

    Raises ``ManifestError`` that names everything that is wrong with it, line by line.
    """
    source = read_given(path)
    wrong = [
        *(source.at(place, problem) for place, problem in source.refused.items()),
        *(one for one in check_structure(source, Register) if one.path not in source.refused),
        *_repeated(source),
    ]
    if wrong:
        raise ManifestError(render(wrong, file=str(path), text=source.text))
    return Register.model_validate_json(source.json)


def register_for(manifest: Path) -> Path | None:
    """The register of the project that a manifest lies in; ``None`` where it has none.

    The project is the nearest folder above the manifest that has one, no further up than the
    checkout that holds the manifest.
    """
    for folder in manifest.resolve().parents:
        if (folder / REGISTER).is_file():
            return folder / REGISTER
        if (folder / ".git").exists():
            return None
    return None


def unknown_findings(source: Source) -> Iterator[Complaint]:
    """Findings that a manifest names and its project's register does not have.

    Raises ``ManifestError`` for a register that cannot be read.
    """
    named = table(source.document, "phase").get("findings")
    register = register_for(source.path)
    if not isinstance(named, list) or not named or register is None:
        return
    known = [finding.id for finding in load_register(register).findings]
    for index, name in enumerate(named):
        well_formed = isinstance(name, str) and re.fullmatch(FINDING[1:-1], name)
        if well_formed and name not in known:
            near = did_you_mean(name, known) or f"; known are {listed(known)}"
            problem = f"got {name!r}; {REGISTER} has no such finding{near}"
            yield source.at(("phase", "findings", index), problem)


def _repeated(source: Source) -> Iterator[Complaint]:
    found = source.document.get("findings")
    first: dict[object, int] = {}
    for index, finding in enumerate(found if isinstance(found, list) else ()):
        name = finding.get("id") if isinstance(finding, dict) else None
        if isinstance(name, str) and first.setdefault(name, index) != index:
            line = source.at(("findings", first[name], "id"), "").line
            problem = f"got {name!r}, the id of the finding on line {line} already; give another"
            yield source.at(("findings", index, "id"), problem)


def _is_knob(name: str) -> bool:
    section, *rest = name.split(".")
    if section not in SECTIONS or not rest:
        return False
    tables: list[FieldType] = [below(Parameters, section)]
    for part in rest:
        fields = [below(one, part) for one in tables if part in _fields(one)]
        if not fields:
            return False
        tables = [option for field in fields for option in (kinds_of(field).values() or [field])]
    return not any(is_table(one) for one in tables)


def _fields(one: FieldType) -> dict[str, object]:
    return dict(one.model_fields) if is_table(one) and issubclass(one, BaseModel) else {}
