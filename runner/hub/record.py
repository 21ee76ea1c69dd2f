"""The tables of ``hub.json``: what a phase asked, what ran, and what came out.

Frozen values that mirror the file. They name every artifact by its path inside the hub, with its
digest, so that a hub can be compared, archived and reproduced without knowledge of how it was made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from runner.core.digest import canonical_json
from runner.core.names import HUB_NAME, InnerPath, SafeName, Sha256
from runner.engines.base import EndedBy, Status
from runner.experiment import EXPERIMENT
from runner.experiment.common import AuditPart, Determinism
from runner.experiment.completed import with_fields
from runner.experiment.interface import Fate, OneOf
from runner.manifest.dataset_names import (
    ONLY,
    DatasetName,
    OneOrMany,
    assigned,
    folder_of,
    one_or_many_schema,
    refuse_ambiguity,
    with_one_or_many,
)
from runner.manifest.findings import Finding, Registration, registered_digest
from runner.manifest.parameter_tables import (
    require,
    require_arm_parameters,
    require_dataset_parameters,
)
from runner.manifest.set_knobs import SetKnobs
from runner.manifest.value_kinds import FindingId, RuleText, Text

ArmStatus = Literal[
    Status, "invalid_output", "configuration_differs", "audit_failed", "not_finite", "not_run"
]
"""How an arm ended: as the engine saw it, or what was wrong with what it left."""
MEASURED: tuple[ArmStatus, ...] = ("succeeded", "configuration_differs", "audit_failed")
"""Ends of an arm whose results are in the record."""
Level = Literal["audited", "read back", "declared only"]
"""What stands behind an arm: it was derived again and agrees; its live objects tell of themselves
what was planned; or nothing but the plan."""


def _moment(text: str) -> str:
    """A time that can be given in UTC; a clock may say any hour, but no other calendar."""
    try:
        moment = datetime.fromisoformat(text)
        known_zone = moment.tzinfo is not None and moment.astimezone(UTC) is not None
    except (ValueError, OverflowError):
        known_zone = False
    if not known_zone:
        raise ValueError("expected a time with its zone, like 2026-01-30T05:00:00.000+00:00")
    return text


def require_registration(table: dict[str, Any]) -> dict[str, Any]:
    """The table as it stands, if it is a registration. Raises as for an arm's."""
    require(Registration, table)
    return table


Moment = Annotated[str, AfterValidator(_moment)]
"""A time, ISO 8601 with its zone."""
Seconds = Annotated[float, Field(gt=-1e9, lt=1e9)]
"""A time span, s; a clock that was set back makes it negative."""
ArmParameters = Annotated[dict[str, JsonValue], AfterValidator(require_arm_parameters)]
RegistrationTable = Annotated[dict[str, JsonValue], AfterValidator(require_registration)]
DatasetParameters = Annotated[dict[str, JsonValue], AfterValidator(require_dataset_parameters)]
Stage = Annotated[str, OneOf(EXPERIMENT.stages.names)]
HUB_NAME_PATTERN = f"^{HUB_NAME.pattern}$"


class Record(BaseModel):
    """A table of ``hub.json``: strict, frozen, unknown keys refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )


def _is_none(value: object) -> bool:
    return value is None


def _is_empty(value: object) -> bool:
    return not value


class RegisteredFinding(Record):
    """A finding that was registered when the run began: what was claimed and how it is tested."""

    id: FindingId
    claim: Text
    sha256: Sha256
    """Digest of the canonical JSON of `id`, `claim` and `registration`."""
    registration: RegistrationTable
    """As the register had it, defaults spelled out."""
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})?$")] | None = None
    """The commit that was checked out where the register lies, and has this registration; empty
    where none had it, ``null`` in hubs from before this was looked at."""

    @model_validator(mode="after")
    def _is_what_was_digested(self) -> Self:
        if registered_digest(self.id, self.claim, self.registration) != self.sha256:
            raise ValueError(f"sha256 is not the digest of what is registered of {self.id}")
        return self

    @property
    def plan(self) -> Registration:
        """The registration as a value."""
        return Registration.model_validate_json(canonical_json(self.registration))


def as_registered(finding: Finding, *, commit: str | None = None) -> RegisteredFinding:
    """What a hub carries of a finding that has a registration."""
    assert finding.registration is not None
    return RegisteredFinding(
        id=finding.id,
        claim=finding.claim,
        sha256=finding.registered_sha256,
        registration=finding.registration.table,
        commit=commit,
    )


class FileRecord(Record):
    """One file: its path inside the folder that the table speaks of, and what it must contain."""

    path: InnerPath
    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]
    deterministic: bool
    """Whether the same job gives the same bytes again."""


class Difference(Record):
    """A knob that did not reach the live objects as it was planned."""

    knob: str
    """Dotted name of the knob."""
    kind: Literal["different", "missing", "unexpected"]
    planned: JsonValue
    effective: JsonValue


class RuleRecord(Record):
    """A success rule and what was measured."""

    rule: RuleText
    measured: JsonValue
    """The statistic of the comparison or flag that decides."""
    margin: float | None
    """Its distance from the bound, positive on the side where the rule holds; ``null`` for
    flags."""
    holds: bool | None
    """``null`` when it depends on a score that means nothing for this arm."""
    decided_by: str = ""
    """The comparison or flag that decides, of a rule that has several."""
    values: dict[str, JsonValue] = {}
    """Every statistic that the rule names, as it was measured; ``null`` where it is undefined."""


class IdenticalArms(Record):
    """Arms with different plans and bit-identical final weights."""

    arms: tuple[str, ...]
    """As the page calls them: those of several hubs with the hub's name."""
    knobs: tuple[str, ...]
    """What differs between their plans, and therefore had no effect on the weights."""
    final_weights_sha256: Sha256


class Execution(Record):
    """Where the numbers were made."""

    device: Literal["cpu", "cuda"]
    threads: int
    determinism: Determinism = "native"
    """Whether the kernels are those of any x86-64 machine with AVX2, or this machine's own."""
    gpu_ids: tuple[str, ...] = ()


class AuditRecord(Record):
    """What came of it that a second implementation derived again what a job did."""

    outcome: Literal["agrees", "in_part", "differs", "not_done"]
    """``in_part`` when nothing differs, and of some part, or of a whole window of steps, nothing
    could be compared, as of a fit whose numbers are not finite; ``not_done`` when the audit itself
    did not come to an end, or left no report to be read."""
    parts: tuple[AuditPart, ...]
    """What was to be derived."""
    differences: tuple[str, ...] = ()
    """What was declared, what the second implementation gives and what the job did, a sentence
    each; or why it was not done."""
    num_checks: int = 0
    num_compared: int = 0
    """Comparisons of all checks together."""
    num_not_comparable: int = 0
    """Comparisons that say nothing, as no number there is finite."""
    job_sha256: Sha256
    wall_s: Seconds
    log_tail: tuple[str, ...] = ()
    """Last lines of the console; kept for audits that were not done."""
    files: tuple[FileRecord, ...] = ()
    """Relative to ``audits/<arm>``, for a dataset to ``dataset/audit``."""
    removed: tuple[FileRecord, ...] = ()
    """States of the fit that were audited and are not kept, relative to ``arms/<arm>``."""

    @property
    def is_of_whole_arm(self) -> bool:
        """Whether everything was derived that is an arm's own, and agrees; data are a dataset's."""
        return self.outcome == "agrees" and {*get_args(AuditPart)} - {"data"} <= {*self.parts}

    @property
    def silence(self) -> str:
        """How many of its comparisons say nothing, in words; empty for none."""
        if not self.num_not_comparable:
            return ""
        every = self.num_compared + self.num_not_comparable
        return f"{self.num_not_comparable} of {every} comparisons say nothing"

    @property
    def found_no_difference(self) -> bool:
        """Whether what ran is worth as much as before."""
        return self.outcome in ("agrees", "in_part")


class ReusedFrom(Record):
    """Where an arm was run that was not run again, and what it has in common with that one."""

    hub: Annotated[str, Field(pattern=HUB_NAME_PATTERN)]
    """Phase and name of the sealed hub that it was taken from."""
    checksums_sha256: Sha256
    """Digest of that hub's ``SHA256SUMS``, and thereby of every file in it."""
    attempt: Annotated[int, Field(ge=1)]
    """Which attempt it was there."""
    signature: Annotated[str, Field(max_length=400)]
    """What was known of that hub's signature, in words."""
    key: dict[str, Sha256]
    """What decides its content, a digest for each component; the same here and there."""


@with_fields(EXPERIMENT.results.fields, after="differences")
class ArmRecord(Record):
    """One arm: what was planned, how it ended, what it measured, which files it left."""

    name: SafeName
    title: str = Field("", exclude_if=_is_empty)
    description: str = Field("", exclude_if=_is_empty)
    """What the manifest calls it, and why it is there; not written where it says nothing."""
    status: ArmStatus
    message: str = ""
    """Why it did not succeed and what to do about it; empty for one that did."""
    notes: tuple[str, ...] = ()
    """What else was odd about it, a sentence each; none of it bears on the results."""
    attempts: int = 0
    resumed_from: Annotated[int, Field(ge=1)] | None = Field(None, exclude_if=_is_none)
    """How much of its fit attempts before the last one had done, by the checkpoint that it went on
    from; it is not written where there was none."""
    exit_code: int | None = None
    ended_by: EndedBy | None = Field(None, exclude_if=_is_none)
    """What has ended it; it is not written for one that succeeded, or where it is not known."""
    started: Moment | None = None
    ended: Moment | None = None
    wall_s: Seconds | None = None
    seed: int
    parameters: ArmParameters
    execution: Execution
    command: tuple[str, ...]
    environment: dict[str, str] = {}
    """Variables that the plan set before the job's process started."""
    job_sha256: Sha256 | None = None
    differences: tuple[Difference, ...] = ()
    stats: dict[str, JsonValue] = {}
    """The flat summary ``stats.json`` of the arm; empty when it left none."""
    null_reasons: dict[str, str] = {}
    """Name of a score that is ``null`` → why it means nothing."""
    timing: dict[str, JsonValue] = {}
    """The arm's ``timing.json``: ``wall_s``, ``steps_per_s``, ``peak_memory_bytes``."""
    rules: tuple[RuleRecord, ...] = ()
    final_weights_sha256: Sha256 | None = None
    log: InnerPath | None = None
    """Path of the console's record inside the hub."""
    log_tail: tuple[str, ...] = ()
    """Last lines of the console; kept for arms that did not succeed."""
    files: tuple[FileRecord, ...] = ()
    """Relative to ``arms/<name>``."""
    audit: AuditRecord | None = None
    """``null`` for an arm that was not to be audited, or that did not run as planned."""
    level: Level | None = None
    """As ``proof`` has it; ``null`` in hubs from before there were audits."""
    reused: ReusedFrom | None = Field(None, exclude_if=_is_none)
    """Where it was run, if it was not run for this hub; it is not written for one that was."""

    @property
    def proof(self) -> Level:
        """What stands behind what the record says of the arm."""
        if self.status == "succeeded" and self.audit and self.audit.is_of_whole_arm:
            return "audited"
        return "read back" if self.status in (*MEASURED, "not_finite") else "declared only"

    @property
    def proof_in_words(self) -> str:
        """``proof``, and how much of its audit says nothing."""
        silence = self.audit.silence if self.audit else ""
        return f"{self.proof}, {silence}" if silence else self.proof

    @property
    def plan(self) -> dict[str, Any]:
        """Everything that decides what the arm computes: its parameters and its seed."""
        return {**self.parameters, "seed": self.seed}

    @property
    def met_all_rules(self) -> bool:
        """Whether the arm ran as planned and every success rule holds for it."""
        return self.status == "succeeded" and all(rule.holds for rule in self.rules)

    @property
    def fate(self) -> Fate:
        """What it came to."""
        return EXPERIMENT.endpoint.fate(vars(self))

    @property
    def subject(self) -> str:
        """What was studied in it, in a word; ``"?"`` where that is not known."""
        return EXPERIMENT.parameters.subject(self.parameters)


@with_fields(EXPERIMENT.captures.fields, after="checkpoint")
class CaptureRecord(Record):
    """Reports on the stored weights of one arm, made by a job of their own."""

    arm: SafeName
    checkpoint: SafeName
    """Which of the arm's stored weights, as its ``checkpoints.json`` names them."""
    checkpoint_sha256: Sha256
    status: ArmStatus
    message: str = ""
    job_sha256: Sha256
    wall_s: Seconds
    log_tail: tuple[str, ...] = ()
    """Last lines of the console; kept for jobs that did not succeed."""
    files: tuple[FileRecord, ...] = ()
    """Relative to the folder of the capture, ``steps/<step>/<arm>`` in a hub."""


class StepRecord(Record):
    """A step that the manifest declared for after the arms, and what came of it."""

    name: SafeName
    when: str
    """The condition."""
    capture: tuple[str, ...]
    checkpoint: SafeName
    held: bool | None
    """Whether the condition held; ``null`` when the run ended before it could be judged."""
    basis: str
    """What was counted to judge the condition."""
    captures: tuple[CaptureRecord, ...] = ()
    left_out: dict[str, str] = {}
    """Arms that the condition speaks of and that have no such weights, each with the reason."""


def _is_only(name: str) -> bool:
    return name == ONLY


class DatasetRecord(Record):
    """A dataset, shared by the arms that have its parameters."""

    name: DatasetName = Field(ONLY, exclude_if=_is_only)
    """What one of several is called; it is not written where there is one."""
    status: ArmStatus
    message: str = ""
    cached: bool = False
    """Whether it was simulated by an earlier run and verified again by this one."""
    seed: int
    parameters: DatasetParameters
    parameters_sha256: Sha256
    job_sha256: Sha256 | None = None
    wall_s: Seconds | None = None
    metadata: dict[str, JsonValue] = {}
    log: InnerPath | None = None
    log_tail: tuple[str, ...] = ()
    files: tuple[FileRecord, ...] = ()
    """The dataset's files by name; where the hub keeps a copy, it is ``dataset/<path>``, or
    ``dataset/<label>/<path>`` of one of several."""
    audit: AuditRecord | None = None
    """``null`` where the phase has no audits."""

    @property
    def folder(self) -> str:
        """The folder in the hub with what tells of it."""
        return folder_of(self.name)


class TestResult(Record):
    """One regression test."""

    __test__ = False  # not a test itself, whatever its name says to pytest

    id: str
    """As pytest has it: ``tests/models/nets/test_blocks.py::test_name``."""
    outcome: Literal["passed", "failed", "skipped", "error"]
    """``error`` when something failed before or after the test, or its file does not load."""
    message: str = ""
    """Why it did not pass, in one line."""
    seconds: Seconds

    @property
    def failed(self) -> bool:
        """Whether it says that something is wrong. One that was skipped says nothing."""
        return self.outcome in ("failed", "error")


class TestsRecord(Record):
    """The regression tests that the phase names, run in the environment of its arms."""

    __test__ = False

    select: tuple[str, ...]
    status: ArmStatus
    """How the job ended that ran them; ``succeeded`` also when a test failed."""
    message: str = ""
    wall_s: Seconds | None = None
    job_sha256: Sha256 | None = None
    source_sha256: Sha256 | None = None
    """Tree digest of the tests' sources."""
    results: tuple[TestResult, ...] = ()
    log: InnerPath | None = None
    """Path of the console's record inside the hub."""
    log_tail: tuple[str, ...] = ()
    """Last lines of the console, if the job did not succeed."""
    files: tuple[FileRecord, ...] = ()
    """Relative to ``tests``."""

    @property
    def hold(self) -> bool:
        """Whether the tests ran and none of them failed."""
        return self.status == "succeeded" and not any(result.failed for result in self.results)


class EngineRecord(Record):
    """Where jobs ran and what kept them apart."""

    name: str
    isolated: bool
    facts: dict[str, JsonValue] = {}


class CodeRecord(Record):
    """Identity of the code that ran."""

    commit: str | None
    dirty: bool | None
    """``null`` when there is no checkout that could tell."""
    models_sha256: Sha256
    """Tree digest of ``models/``."""
    diff: InnerPath | None = None
    """Name of the file in the hub that holds what was not committed."""
    withheld: tuple[str, ...] = ()
    """Files that were not committed and whose content is not in the diff, each with the reason."""
    note: str | None = None


class ComparedHub(Record):
    """A hub whose arms stand beside those of this one."""

    name: InnerPath
    """Its phase's folder and its own: ``phase7/2026-01-30T050000Z``."""
    phase: SafeName
    profile: SafeName | None
    checksums_sha256: Sha256 | Literal[""]
    """Digest of its ``SHA256SUMS``, and thereby of every file in it; empty where it has none."""
    problem: str = ""
    """What is not as it was sealed; empty for a hub that is intact."""


class SummaryRecord(Record):
    """The job at the end of the phase: statistics and plots over all arms."""

    status: ArmStatus
    message: str = ""
    job_sha256: Sha256 | None = None
    wall_s: Seconds | None = None
    log: InnerPath | None = None
    log_tail: tuple[str, ...] = ()
    files: tuple[FileRecord, ...] = ()
    """By their paths in the hub."""


class DiagnosisRecord(Record):
    """``diagnosis.json``: reports that were made of a sealed hub's arm afterwards."""

    schema_version: Literal[1] = 1
    phase: str
    hub: str
    """Name of the hub's folder."""
    hub_sha256: str
    """Digest of the hub's ``SHA256SUMS``, against which the hub was verified."""
    started: str
    ended: str
    reports: tuple[str, ...]
    device: Literal["cpu", "cuda"]
    engine: EngineRecord
    notes: tuple[str, ...] = ()
    """What differs from where the arm itself ran."""
    capture: CaptureRecord
    """How the job ended; its files are relative to the folder that is named like the arm."""


class ReproducedFile(Record):
    """A deterministic file beside its original."""

    path: InnerPath
    before: Sha256 | None
    """Digest of the original; ``null`` where the original hub has no such file."""
    after: Sha256 | None
    """Digest of what was made again; ``null`` where it was not."""
    finding: dict[str, JsonValue] | None = None
    """Where the two begin to differ, as the job ``compare`` says it; ``null`` if not known."""

    @property
    def identical(self) -> bool:
        """Whether both are there and have the same bytes."""
        return self.before is not None and self.before == self.after


class DifferingFact(Record):
    """A fact of the environment that original and reproduction do not have in common."""

    name: str
    before: JsonValue
    after: JsonValue
    told: str
    """The same in words."""


class ReproductionRecord(Record):
    """A sealed hub that was run again, and what of it came out the same."""

    hub: str
    """The original's phase and its own name: ``phase8/2026-01-30T050000Z``."""
    hub_sha256: str
    """Digest of its ``SHA256SUMS``, and thereby of every file in it."""
    outcome: Literal["identical", "different", "not_comparable"]
    arms: tuple[str, ...]
    """The arms that were run again."""
    image: str
    """How the image was had again; or that none was used."""
    files: tuple[ReproducedFile, ...]
    facts: tuple[DifferingFact, ...]
    reasons: tuple[str, ...] = ()
    """What could not be compared, and why, a sentence each."""


class HubRecord(Record):
    """Everything that a hub says about itself."""

    schema_version: Literal[1] = 1
    phase: SafeName
    title: str
    question: str
    findings: Annotated[tuple[FindingId, ...], Field(max_length=256)] = ()
    registered: tuple[RegisteredFinding, ...] = ()
    """What was registered of these findings when the run began; all else is exploratory."""
    compare_with: tuple[SafeName, ...] = ()
    license: str | None = None
    """How the hub may be used: the name or address of a license; ``null`` where none is stated."""
    stage: Stage
    profile: SafeName | None = None
    set_knobs: SetKnobs = Field(default_factory=dict, exclude_if=_is_empty)
    """What the command line set over manifest and profile, by dotted names; it is not written where
    it set nothing. ``manifest.toml`` is as the user wrote it."""
    started: Moment
    ended: Moment
    resumed: Annotated[tuple[Moment, ...], Field(max_length=10_000)] = Field(
        (), exclude_if=_is_empty
    )
    """When another process went on with the run that had been cut short; it is not written where
    none did, and not in hubs from before this was told."""
    interrupted: bool = False
    """Whether the run was stopped before all arms had ended; what was finished is kept."""
    only: tuple[str, ...] = ()
    """The arms that were asked for by name, where the phase has others; empty for all of them."""
    seed: int
    """The phase's seed; an arm can have one of its own."""
    device: Literal["cpu", "cuda"]
    engine: EngineRecord
    image: dict[str, JsonValue] | None = None
    """Identity of the image by content; ``null`` where no image was used."""
    code: CodeRecord
    datasets: OneOrMany[DatasetRecord]
    """The datasets of the arms; where there is one, it is written as ``dataset``."""
    arms: tuple[ArmRecord, ...]
    tests: TestsRecord | None = None
    """The regression tests; ``null`` where the phase names none."""
    steps: tuple[StepRecord, ...] = ()
    """What was declared to follow the arms on a condition, taken or not."""
    lock_sha256: Sha256 | None = None
    """Digest of the manifest's lock file that the run was held to, ``manifest.lock.json`` in the
    hub; ``null`` for a run without ``--locked``."""
    rules_required: bool = False
    """Whether the phase fails when a success rule does not hold."""
    identical_arms: tuple[IdenticalArms, ...] = ()
    compared: tuple[ComparedHub, ...] = ()
    """The hubs whose arms stand beside this one's in the tables."""
    reproduction: ReproductionRecord | None = None
    """The hub that this one makes again; ``null`` for a phase that was run from a manifest."""
    summary: SummaryRecord | None = None
    """``null`` where no arm succeeded or no engine ran."""
    notes: tuple[str, ...] = ()
    """What a reader must know before comparing: fallbacks, relaxed limits, other packages."""
    artifacts: tuple[FileRecord, ...] = ()
    """Every file of the hub, without this one and ``SHA256SUMS``."""

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        for what, names in (
            ("arms", [arm.name for arm in self.arms]),
            ("steps", [step.name for step in self.steps]),
            ("registered", [finding.id for finding in self.registered]),
            ("artifacts", [file.path for file in self.artifacts]),
        ):
            if len(set(names)) < len(names):
                raise ValueError(f"{what} names one twice")
        refuse_ambiguity(self.datasets)
        if unnamed := {one.id for one in self.registered} - set(self.findings):
            raise ValueError(f"registered has {min(unnamed)}, and findings does not name it")
        return self

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return with_one_or_many(write(self))

    @property
    def datasets_of_arms(self) -> dict[str, DatasetRecord]:
        """Arm → its dataset; an arm of which the hub has none is missing."""
        return assigned(self.datasets, self.arms)

    def arm(self, name: str) -> ArmRecord:
        """The arm of that name. Raises ``KeyError``."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise KeyError(name)


def leaves(table: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and value of everything in a tree of tables that is not a table itself."""
    if not isinstance(table, Mapping):
        yield prefix, table
        return
    for key, value in table.items():
        yield from leaves(value, f"{prefix}.{key}" if prefix else str(key))


def differing_knobs(plans: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Dotted names of the leaves that are not the same in all trees of tables; sorted.

    A knob that only some have differs.
    """
    keys = dict.fromkeys(key for plan in plans for key in plan)
    return tuple(sorted(name for key in keys for name in _differing(plans, key)))


def _differing(plans: Sequence[Mapping[str, Any]], key: str) -> Iterator[str]:
    """Names of the differing leaves below one key. Thousands of arms have a few tables each."""
    kinds = {
        json.dumps(plan.get(key, ABSENT), sort_keys=True): {key: plan[key]} if key in plan else {}
        for plan in plans
    }
    flat = [dict(leaves(table)) for table in kinds.values()]
    names = {name for plan in flat for name in plan}
    yield from (name for name in names if len({_spelling(plan, name) for plan in flat}) > 1)


ABSENT = "\x00absent"
"""Stands for a key that a table lacks; no value of a plan has a control character."""


def _spelling(plan: Mapping[str, Any], name: str) -> bytes | str:
    """What tells a leaf from another; ``True`` from 1, and 1 from 1.0, as JSON does."""
    if name not in plan:
        return b""
    return canonical_json(plan[name])


class _FileSchema(GenerateJsonSchema):
    """The schema of a table as it is written, seen through the serializer that writes it."""

    def ser_schema(
        self,
        schema: core_schema.SerSchema
        | core_schema.IncExSeqSerSchema
        | core_schema.IncExDictSerSchema,
    ) -> JsonSchemaValue | None:
        wraps = schema["type"] == "function-wrap"
        return None if wraps else super().ser_schema(schema)


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of ``hub.json``."""
    described = HubRecord.model_json_schema(mode="serialization", schema_generator=_FileSchema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "hub.schema.json",
        **one_or_many_schema(described),
    }
