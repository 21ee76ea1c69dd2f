"""Reports on the stored weights of an arm: the job that makes them, and what it left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from runner.core.errors import VerificationError
from runner.core.names import SafeName, Sha256
from runner.core.reading import copy_below, is_file_below, read_table, typed
from runner.engines.base import Outcome
from runner.experiment import EXPERIMENT
from runner.hub.records.beside import CaptureRecord
from runner.jobs.attempts import Attempt, lay_out
from runner.jobs.ended import take
from runner.manifest.follow_ups import Capture
from runner.plan.model import InputRef, Job
from runner.plan.other_jobs import job_about

UNIT = EXPERIMENT.progress.unit
CHECKPOINTS = EXPERIMENT.captures.listing
"""Names the weights that an arm stored; see docs/contract.md."""
CHECKPOINT = "checkpoint.pt"
"""What the weights are called in the job."""
FIRST = EXPERIMENT.captures.last
"""The name that is preferred where several checkpoints are of one and the same moment."""


class Stored(BaseModel):
    """One entry of ``checkpoints.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+\.pt$")]
    moment: int | None = Field(alias=UNIT)
    sha256: Sha256
    weights_sha256: Sha256

    @property
    def when(self) -> str:
        """The moment in words."""
        if self.moment is None:
            return EXPERIMENT.captures.initial
        return f"{UNIT} {self.moment}"


class Checkpoints(BaseModel):
    """``checkpoints.json``, as far as it is read here."""

    checkpoints: dict[SafeName, Stored]


def stored_checkpoints(arm_folder: Path) -> dict[str, Stored]:
    """The weights that an arm stored, by name.

    Raises ``ValueError`` that says what is wrong with the arm's ``checkpoints.json``.
    """
    stored = typed(Checkpoints, read_table(arm_folder, CHECKPOINTS), CHECKPOINTS).checkpoints
    return {name: stored[name] for name in sorted(stored, key=lambda name: name != FIRST)}


def choose(
    stored: Mapping[str, Stored], *, name: str | None = None, moment: int | None = None
) -> str:
    """Name of the weights that were asked for, the last ones by default.

    Raises ``VerificationError`` that lists what there is.
    """
    if moment is not None:
        found = [each for each in stored if stored[each].moment == moment]
        asked = f"no checkpoint of {UNIT} {moment}"
    else:
        found = [each for each in stored if each == (name or FIRST)]
        asked = f"no checkpoint {name or FIRST!r}"
    if found:
        return found[0]
    there = ", ".join(f"{each} ({entry.when})" for each, entry in stored.items())
    raise VerificationError(f"{asked}; stored are {there or 'none'}")


def require_stored(arm_folder: Path, entry: Stored) -> None:
    """Raise ``ValueError`` where the weights of an entry were not left, or not taken."""
    if not is_file_below(arm_folder, entry.file):
        raise ValueError(f"{entry.file} is in {CHECKPOINTS} and not among the arm's files")


@dataclass(frozen=True, kw_only=True)
class CaptureOrder:
    """What is to be made: reports on one checkpoint of one arm."""

    arm: Job
    arm_folder: Path
    checkpoint: str
    stored: Stored
    reports: tuple[Capture, ...]

    def job(self, name: str) -> Job:
        """The job that makes them, with the arm's own parameters and bounds."""
        wanted = {
            "reports": list(self.reports),
            "name": self.checkpoint,
            UNIT: self.stored.moment,
        }
        return job_about(
            self.arm, name=name, experiment="diagnose", more={"diagnose": wanted}, steps=None
        )


def lay_out_capture(
    order: CaptureOrder,
    *,
    name: str,
    folder: Path,
    inputs: Mapping[str, InputRef],
    data_dir: Path,
    labels: Mapping[str, str],
) -> Attempt:
    """Make ``folder`` with the job, a copy of the weights beside it, and an empty output folder."""
    attempt = lay_out(
        order.job(name),
        folder=folder,
        inputs={**inputs, CHECKPOINT: InputRef(path=CHECKPOINT, sha256=order.stored.sha256)},
        data_dir=data_dir,
        labels=labels,
    )
    copy_below(order.arm_folder, order.stored.file, attempt.launch.job_dir / CHECKPOINT)
    return attempt


def conclude_capture(
    order: CaptureOrder, attempt: Attempt, outcome: Outcome, destination: Path
) -> CaptureRecord:
    """Copy what an ended job left to ``destination`` and say how it went."""
    facts: dict[str, Any] = {UNIT: order.stored.moment, **take(attempt, outcome, destination)}
    return CaptureRecord(
        arm=order.arm.name,
        checkpoint=order.checkpoint,
        checkpoint_sha256=order.stored.sha256,
        **facts,
    )
