"""The register of findings: claims in words, and what would have to be seen for each to hold.

``docs/study/findings.toml`` is written by hand. It never holds a result: what a claim's status is
follows from sealed hubs by what stands beside it. A claim with a *registration* is confirmatory: it
says before any run which runs will be made and how they will be tested. All others are exploratory.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, Field, JsonValue, PositiveInt, model_validator

from runner.core.digest import canonical_json, digest_json
from runner.core.errors import ManifestError
from runner.core.names import SafeName
from runner.core.project import REGISTER, project_of
from runner.experiment import EXPERIMENT
from runner.experiment.common import Fraction, Integer, Table
from runner.experiment.interface import OneOf
from runner.manifest.field_types import FieldType, below, is_table, kinds_of
from runner.manifest.manifest_errors import Mistake, did_you_mean, listed, render
from runner.manifest.overrides import SECTIONS, table
from runner.manifest.source import TomlSource, read_given
from runner.manifest.validation import read_as
from runner.manifest.value_kinds import FINDING, FindingId, RuleText, Seed, Text

ENDPOINT = EXPERIMENT.endpoint
Measure = Annotated[str, OneOf((ENDPOINT.noun, *EXPERIMENT.results.measures))]
"""What groups of arms are compared by: how often the endpoint comes about in them, or a score."""

MOST_SEEDS = 200
"""Of a registered cell; the power of a test of so many takes seconds, and of more soon hours."""

KnobValue: TypeAlias = str | bool | int | float


def _date(text: str) -> str:
    """A date in the one spelling in which an earlier one sorts first; ``20260128`` is none."""
    try:
        plain = dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        plain = False
    if not plain:
        raise ValueError("expected a date, like '2026-01-28'")
    return text


def _knob(name: str) -> str:
    if not _is_knob(name):
        example = EXPERIMENT.manual.example_knob
        raise ValueError(f"expected the dotted name of a knob, like {example!r}")
    return name


Date = Annotated[str, AfterValidator(_date)]
Where = Annotated[
    dict[Annotated[str, AfterValidator(_knob)], KnobValue],
    Field(min_length=1),
]
"""Knobs by their dotted names; meant are the arms whose plans have these values."""


EffectRates = tuple[Fraction, Fraction]


class _Expectation(Table):
    phase: SafeName = Field(description="The phase whose newest sealed hub is asked.")
    profile: SafeName | None = Field(
        None, description="The profile of that hub; by default the phase itself, in full."
    )


class RateExpectation(_Expectation):
    """How often the endpoint comes about in a group: more or less than in a share of all runs."""

    kind: Literal["rate"] = "rate"
    arms: Where = Field(description="The group.")
    expect: Literal["above", "below"] = Field(
        description="On which side of the bound the whole 95 % interval is expected."
    )
    bound: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        description=f"Share of runs; `above` 0 asks for one {ENDPOINT.noun} at least."
    )


class ComparisonExpectation(_Expectation):
    """What two groups differ in."""

    kind: Literal["comparison"] = "comparison"
    measure: Measure = Field(ENDPOINT.noun, description="What is compared.")
    arms: Where = Field(description="The group that is spoken of.")
    against: Where = Field(description="The group that it is compared with.")
    expect: Literal["lower", "higher"] = Field(
        description="On which side of the other group's the measure is expected."
    )


class RuleExpectation(_Expectation):
    """What each single arm of a kind shows."""

    kind: Literal["rule"] = "rule"
    among: Annotated[str, OneOf(("all", ENDPOINT.past, f"not_{ENDPOINT.past}"))] = Field(
        "all", description="Arms that ran as planned: all of them, or those of one fate."
    )
    arms: Where | None = Field(None, description="Only arms with these knobs.")
    rule: RuleText = Field(description="A rule as in `[verdict]`, expected to hold for each.")


Level = Literal["audited", "read back"]
"""How far it is known that an arm did what its plan says; what comes first is known better."""


class Contrast(Table):
    """Two cells whose rates are compared; they differ in the knobs that are named here alone."""

    arms: Where = Field(description="The cell that is spoken of, beside the `setting`.")
    against: Where = Field(description="The cell that it is compared with, by the same knobs.")
    expect: Literal["lower", "higher", "different"] = Field(
        description="On which side of the other cell's rate its own is claimed to be."
    )

    @model_validator(mode="after")
    def _two_cells(self) -> Self:
        if self.arms.keys() != self.against.keys() or self.arms == self.against:
            raise ValueError(
                "arms and against must name the same knobs, one of them with another value"
            )
        return self


class Registration(Table):
    """What is decided before the runs: which they are, what of them is counted, how it is tested.

    The cells of all contrasts together are all that the test is about; each has one arm a seed.
    """

    phase: SafeName = Field(description="The phase that is to be run for it.")
    profile: SafeName | None = Field(
        None, description="The profile to be run; by default the phase itself, in full."
    )
    date: Date = Field(description="Day of the registration; no hub begun before it counts.")
    measure: Annotated[str, OneOf(tuple(ENDPOINT.counts))] = Field(
        description="What is counted in a cell: "
        + ", or ".join(one.meaning for one in ENDPOINT.counts.values())
        + "."
    )
    level: Level = Field(
        "audited",
        description="What an arm must be to count: its doing derived again by the audit, or only "
        "its configuration read back.",
    )
    data: Literal["shared", "anew"] = Field(
        "shared",
        description="Whether all arms see one dataset, or each seed objects and noise of its own, "
        "the same in all cells.",
    )
    seeds: Annotated[tuple[Seed, ...], Field(min_length=2, max_length=MOST_SEEDS)] = Field(
        description="The seeds of each cell: these, all of them, and no others. None may have been "
        "run before."
    )
    n: PositiveInt = Field(description="Arms in a cell: the number of seeds.")
    test: Literal["boschloo"] = Field("boschloo", description="Boschloo's exact test of two rates.")
    sides: Literal["two-sided", "one-sided"] = Field(
        "two-sided", description="One-sided only looks on the side of `expect`."
    )
    alpha: Annotated[float, Field(gt=0.0, le=0.05)] = Field(
        0.05,
        description="An adjusted p (Holm, over all primary contrasts of the phase) of at most this "
        "is evidence.",
    )
    effects: Annotated[tuple[EffectRates, ...], Field(min_length=1, max_length=8)] = Field(
        ((0.6, 0.0), (0.4, 0.0)),
        description="Pairs of rates for which `phasehub plan` tells how probable it is to find "
        "that they differ.",
    )
    setting: Annotated[
        dict[Annotated[str, AfterValidator(_knob)], KnobValue], Field(max_length=256)
    ] = Field(default_factory=dict, description="Knobs that all cells have in common.")
    contrasts: Annotated[tuple[Contrast, ...], Field(min_length=1, max_length=2)] = Field(
        description="The primary contrasts, one or two."
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds names one twice; a seed is one run of a cell")
        if self.n != len(self.seeds):
            raise ValueError(f"n is {self.n} and seeds has {len(self.seeds)}; make them agree")
        for contrast in self.contrasts:
            if twice := sorted(self.setting.keys() & contrast.arms.keys()):
                raise ValueError(f"setting and contrasts both give {twice[0]!r}; take one away")
            if self.sides == "one-sided" and contrast.expect == "different":
                raise ValueError("sides is one-sided, and a contrast expects no side: name one")
        cells = [{canonical_json(c) for c in (one.arms, one.against)} for one in self.contrasts]
        if any(one in cells[:place] for place, one in enumerate(cells)):
            raise ValueError("contrasts has the same two cells twice; take one away")
        return self

    @property
    def table(self) -> dict[str, JsonValue]:
        """Everything that it says, defaults spelled out, as JSON has it."""
        return self.model_dump(mode="json")

    def cells(self, contrast: Contrast) -> tuple[dict[str, KnobValue], dict[str, KnobValue]]:
        """The knobs of both cells of a contrast."""
        return ({**self.setting, **contrast.arms}, {**self.setting, **contrast.against})

    @property
    def all_cells(self) -> tuple[dict[str, KnobValue], ...]:
        """The cells of every contrast; one that two of them share is there twice."""
        return tuple(cell for contrast in self.contrasts for cell in self.cells(contrast))


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
    level: Level = Field(
        "audited",
        description="What the arms of the evidence must have stood up to; `read back` stands "
        "beside the status. A registration has a level of its own.",
    )
    registration: Registration | None = Field(
        None, description="The runs and the test that were decided on before any of them was made."
    )

    @model_validator(mode="after")
    def _one_basis(self) -> Self:
        if self.registration and self.evidence:
            raise ValueError(
                "registration and evidence exclude each other: what is registered is judged by "
                "its test alone; give the rest an id of its own"
            )
        return self

    @property
    def registered_sha256(self) -> str:
        """Digest of what is registered: id, claim and registration, in their canonical spelling."""
        assert self.registration is not None
        return registered_digest(self.id, self.claim, self.registration.table)


def registered_digest(name: str, claim: str, registration: Mapping[str, object]) -> str:
    """Digest by which a hub and a register speak of one and the same registration."""
    return digest_json({"id": name, "claim": claim, "registration": registration})


class Register(Table):
    """The findings of a study."""

    schema_version: Annotated[Literal[1], Integer] = Field(description="Version of this format: 1.")
    findings: tuple[Finding, ...] = Field(description="The findings, each under `[[findings]]`.")


def load_register(path: Path) -> Register:
    """Read and check a register.

    Raises ``ManifestError`` that names everything that is wrong with it, line by line.
    """
    source = read_given(path)
    found = read_as(Register, source.json)
    already = "the id of the finding on line {line} already; give another"
    wrong = [
        *(source.at(place, problem) for place, problem in source.refused.items()),
        *(one for one in found.placed(source) if one.path not in source.refused),
        *source.repeated("findings", "id", already),
    ]
    if wrong or found.value is None:
        raise ManifestError(render(wrong, file=str(path), text=source.text))
    return found.value


def register_for(manifest: Path) -> Path | None:
    """The register of the project that a manifest belongs to; ``None`` where it has none."""
    register = project_of(manifest) / REGISTER
    return register if register.is_file() else None


def findings_of(source: TomlSource) -> tuple[list[Mistake], tuple[Finding, ...]]:
    """What is wrong with the findings that a manifest names, and those registered for its phase.

    A finding that is registered for a phase must be named by its manifest, or the hub would not
    carry what was registered. Raises ``ManifestError`` for a register that cannot be read.
    """
    phase = table(source.document, "phase")
    named = phase.get("findings", [])
    register = register_for(source.path)
    if not isinstance(named, list) or register is None:
        return [], ()
    try:
        findings = load_register(register).findings
    except ManifestError:
        if named:
            raise
        return [], ()  # a phase that names none does not need it
    registered = [
        one for one in findings if one.registration and one.registration.phase == phase.get("name")
    ]
    wrong = [*_unknown(source, named, findings), *_unnamed(source, named, registered)]
    return wrong, tuple(one for one in registered if one.id in named)


def _unknown(
    source: TomlSource, named: list[Any], findings: Sequence[Finding]
) -> Iterator[Mistake]:
    known = [finding.id for finding in findings]
    for index, name in enumerate(named):
        well_formed = isinstance(name, str) and re.fullmatch(FINDING[1:-1], name)
        if well_formed and name not in known:
            near = did_you_mean(name, known) or f"; known are {listed(known)}"
            problem = f"got {name!r}; {REGISTER} has no such finding{near}"
            yield source.at(("phase", "findings", index), problem)


def _unnamed(
    source: TomlSource, named: list[Any], registered: Sequence[Finding]
) -> Iterator[Mistake]:
    for finding in registered:
        if finding.id not in named:
            problem = f"{REGISTER} registers {finding.id} for this phase; add it to the findings"
            yield source.at(("phase", "findings"), problem)


def _is_knob(name: str) -> bool:
    section, *rest = name.split(".")
    if section not in SECTIONS or not rest:
        return False
    tables: list[FieldType] = [below(EXPERIMENT.parameters.table, section)]
    for part in rest:
        fields = [below(one, part) for one in tables if part in _fields(one)]
        if not fields:
            return False
        tables = [option for field in fields for option in (kinds_of(field).values() or [field])]
    return not any(is_table(one) for one in tables)


def _fields(one: FieldType) -> dict[str, object]:
    return dict(one.model_fields) if is_table(one) and issubclass(one, BaseModel) else {}
