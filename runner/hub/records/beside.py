"""Jobs beside the arms: regression tests, captures on a condition, statistics, diagnoses."""

from __future__ import annotations

from typing import Literal

from runner.core.names import InnerPath, SafeName, Sha256
from runner.experiment import EXPERIMENT
from runner.experiment.completed import with_fields
from runner.hub.records.arm import ArmStatus
from runner.hub.records.base import (
    FileRecord,
    Record,
    Seconds,
)
from runner.hub.records.provenance import EngineRecord


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
