"""What became of an arm: how it ended, what it was, what stands behind it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
)

from runner.core.names import InnerPath, SafeName, Sha256
from runner.engines.base import EndedBy, Status
from runner.experiment import EXPERIMENT
from runner.experiment.common import AuditPart, Determinism
from runner.experiment.completed import with_fields
from runner.experiment.interface import Fate
from runner.hub.records.base import (
    HUB_NAME_PATTERN,
    Difference,
    FileRecord,
    Moment,
    Record,
    Seconds,
    is_empty,
    is_none,
)
from runner.manifest.parameter_tables import (
    require_arm_parameters,
)
from runner.manifest.value_kinds import RuleText

ArmStatus = Literal[
    Status, "invalid_output", "configuration_differs", "audit_failed", "not_finite", "not_run"
]
"""How an arm ended: as the engine saw it, or what was wrong with what it left."""


MEASURED: tuple[ArmStatus, ...] = ("succeeded", "configuration_differs", "audit_failed")
"""Ends of an arm whose results are in the record."""


Level = Literal["audited", "read back", "declared only"]
"""What stands behind an arm: it was derived again and agrees; its live objects tell of themselves
what was planned; or nothing but the plan."""


ArmParameters = Annotated[dict[str, JsonValue], AfterValidator(require_arm_parameters)]


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


OF_PLAN = ("parameters", "seed", "execution", "command", "environment")
"""What an arm's record has from its plan, word for word."""


@with_fields(EXPERIMENT.results.fields, after="differences")
class ArmRecord(Record):
    """One arm: what was planned, how it ended, what it measured, which files it left."""

    name: SafeName
    title: str = Field("", exclude_if=is_empty)
    description: str = Field("", exclude_if=is_empty)
    """What the manifest calls it, and why it is there; not written where it says nothing."""
    status: ArmStatus
    message: str = ""
    """Why it did not succeed and what to do about it; empty for one that did."""
    notes: tuple[str, ...] = ()
    """What else was odd about it, a sentence each; none of it bears on the results."""
    attempts: int = 0
    resumed_from: Annotated[int, Field(ge=1)] | None = Field(None, exclude_if=is_none)
    """How much of its fit attempts before the last one had done, by the checkpoint that it went on
    from; it is not written where there was none."""
    exit_code: int | None = None
    ended_by: EndedBy | None = Field(None, exclude_if=is_none)
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
    reused: ReusedFrom | None = Field(None, exclude_if=is_none)
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
