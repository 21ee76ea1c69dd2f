"""A run on its way: what was asked for, what was decided, what has come out so far."""

from __future__ import annotations

import os
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypedDict

from runner.core.digest import canonical_json, pretty_json
from runner.core.errors import RunnerError
from runner.core.host_paths import Places
from runner.engines.base import Handle, Outcome
from runner.engines.leftovers import marks
from runner.hub import layout, provenance
from runner.hub.records.arm import ArmRecord
from runner.hub.records.beside import StepRecord, SummaryRecord, TestsRecord
from runner.hub.records.data import DatasetRecord
from runner.hub.records.provenance import EngineRecord
from runner.hub.records.registered import RegisteredFinding
from runner.jobs.attempts import Attempt
from runner.jobs.datasets import Dataset
from runner.jobs.progress import Display
from runner.manifest.arms import PlannedArm
from runner.manifest.dataset_names import ONLY, assigned
from runner.manifest.model import LoadedManifest
from runner.phase.lockfile import Lock
from runner.phase.sources import ArmSources
from runner.phase.unfinished import Records
from runner.plan.model import Device, Job, Plan, computes_on
from runner.verify.baselines import Baseline
from runner.verify.bundled_source import bundle_code

LONGEST_WAIT_S = 60
MOST_LOST = 2
"""Times that a job is started again after others have ended it."""
NO_ENGINE = EngineRecord(name="none", isolated=False)
"""What a hub says when no engine could be opened."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for on the command line."""

    manifest: Path
    engine: str = "auto"
    device: str = "auto"
    profile: str | None = None
    set_over: tuple[str, ...] = ()
    """What is set over the manifest: words like ``resources.threads=2``."""
    only: tuple[str, ...] = ()
    with_optional: bool = False
    artifacts: Path = Path("artifacts")
    python: Path | None = None
    signing_key: Path | None = None
    locked: bool = False
    """Whether to refuse whatever is not as the manifest's lock file says."""
    reuse: tuple[Path, ...] = ()
    """Sealed hubs, or folders of them, from which arms are taken that need not be run."""
    signers: Path | None = None
    """Who must have signed such a hub, a file as ssh-keygen(1) describes it."""
    why: tuple[str, ...] = ()
    """Arms of which it is explained in full why they are not reused."""
    jobs: int | None = None
    """How many side by side; ``None`` for as many as cores and memory allow."""
    fail_fast: bool = False
    retries: int | None = None


class About(TypedDict):
    """What is said of an arm, and decides nothing."""

    title: str
    description: str


def about(arms: Iterable[PlannedArm | ArmRecord]) -> dict[str, About]:
    """What is said of each of these arms."""
    return {arm.name: About(title=arm.title, description=arm.description) for arm in arms}


@dataclass(kw_only=True)
class Run:
    """A run on its way: what was decided, and what has come out so far."""

    loaded: LoadedManifest
    plan: Plan
    staging: layout.Staging
    code: provenance.Code
    shown: Display
    started: float = field(default_factory=time.time)
    run_id: str = field(default_factory=lambda: secrets.token_hex(8))
    """Tells this run's jobs from those of any other on the same daemon."""
    notes: list[str] = field(default_factory=list)
    engine: EngineRecord = NO_ENGINE
    of_tests: Records[TestsRecord] = field(init=False)
    """The phase's tests under their job's name, once they have ended."""
    datasets: Records[DatasetRecord] = field(init=False)
    """By their names in the plan; those that could not be made are among them."""
    data: dict[str, Dataset] = field(default_factory=dict)
    """Those that arms can be shown, by their names."""
    arms: Records[ArmRecord] = field(init=False)
    """Of every arm that was begun and ended, also before this process."""
    compared: tuple[Baseline, ...] = ()
    summary: SummaryRecord | None = None
    steps: dict[str, StepRecord] = field(default_factory=dict)
    signing_key: Path | None = None
    lock: Lock | None = None
    """What the run is held to, if it was asked to be."""
    failure: RunnerError | None = None
    interrupted: bool = False
    jobs: int | None = None
    """How many run side by side, if that was asked for."""
    fail_fast: bool = False
    """Whether no further arm begins once one has failed."""
    retries: int | None = None
    """How often a job is started again that infrastructure has failed, if that was asked for."""
    only: tuple[str, ...] = ()
    """The arms that were asked for by name."""
    registered: tuple[RegisteredFinding, ...] = ()
    """The findings that were registered for the phase when the run began."""
    started_before: Counter[str] = field(default_factory=Counter)
    """How often each job was started by earlier processes of the run."""
    adopted: dict[str, Handle] = field(default_factory=dict)
    """Arms whose jobs a process before this one has started, and that are taken over."""
    sources: ArmSources = field(default_factory=ArmSources)
    """Hubs from which arms are taken that need not be run."""
    lost: Counter[str] = field(default_factory=Counter)
    """How often each job was ended by others, and started again by this process."""
    about: Mapping[str, About] = field(default_factory=dict)
    """By the names of arms; from the manifest, unless it is given."""

    def __post_init__(self) -> None:
        """Take up what is on disk of the run; nothing where it begins now."""
        if (variant := self.loaded.variants.get(self.plan.profile)) and not self.about:
            self.about = about(variant.arms)
        state = self.staging.state
        self.arms = Records(state / "arms", ArmRecord)
        self.datasets = Records(state / "datasets", DatasetRecord)
        self.of_tests = Records(state / "tests", TestsRecord)

    @property
    def tests(self) -> TestsRecord | None:
        """What the phase's tests said, once they have ended."""
        return next(iter(self.of_tests.values()), None)

    def attempt_of(self, job: str) -> int:
        """The number of the attempt at a job that this process makes."""
        return 1 + self.started_before[job]

    def dataset_of(self, arm: Job) -> Dataset | None:
        """The dataset that an arm of the plan is shown; ``None`` where it could not be made."""
        return self.data.get(self._shown[arm.name])

    def why_no_data(self, arm: Job) -> str:
        """What became of the dataset of an arm for which there is none."""
        record = self.datasets.get(self._shown[arm.name])
        if record is None:
            return "the run ended before its dataset was made"
        what = "its dataset" if record.name == ONLY else f"its dataset, {record.name},"
        if record.status == "succeeded":
            return f"{what} is not the one that it was to be shown"
        if record.status == "audit_failed":
            return f"{what} is not the one that was declared: {record.message}"
        reason = f"{record.status.replace('_', ' ')}: {record.message}"
        return f"{what} could not be made: {reason}"

    @cached_property
    def _shown(self) -> dict[str, str]:
        """Arm → the name of its dataset."""
        shown = assigned(self.plan.datasets, self.plan.arms)
        return {arm: job.name for arm, job in shown.items()}

    @property
    def device(self) -> Device:
        """``cuda`` when any arm computes on a GPU."""
        return computes_on(self.plan)

    @cached_property
    def places(self) -> Places:
        """The folders that a hub does not name."""
        return Places(
            project=self.loaded.project,
            hub=self.staging.path,
            artifacts=self.artifacts,
            manifests=self.loaded.path.parent,
        )

    @property
    def artifacts(self) -> Path:
        """The folder that holds the hubs of all phases."""
        return self.staging.final.parent.parent

    @property
    def hub_name(self) -> str:
        """The hub's phase and its own name, once it is sealed."""
        return f"{self.plan.phase}/{self.staging.final.name}"

    @property
    def labels(self) -> dict[str, str]:
        """What marks this run's jobs at the engine, also for whoever finds them without us."""
        return {
            "phase": self.plan.phase,
            "run": self.run_id,
            **marks(self.staging.state.resolve()),
        }

    def tries_again(self, attempt: Attempt, outcome: Outcome) -> bool:
        """Whether a job that was ended by others is started again: as long as that is not often.

        With ``retries``, one that could not be started is, too.
        """
        name, asked = attempt.launch.name, self.retries is not None
        most = MOST_LOST if self.retries is None else self.retries
        lost = ("interrupted", "could_not_start") if asked else ("interrupted",)
        if outcome.status not in lost or self.lost[name] >= most:
            return False
        self.lost[name] += 1
        wait_s = self._wait_s(name)
        self.shown.say(f"{name} is started again{f' in {wait_s:g} s' if wait_s else ''}")
        return True

    def after(self, attempt: Attempt, outcome: Outcome, again: Attempt) -> Attempt:
        """The next attempt, which waits longer each time, and knows what became of the former."""
        status = outcome.status.replace("_", " ")
        return replace(
            again,
            not_before_s=time.monotonic() + self._wait_s(attempt.launch.name),
            notes=(*attempt.notes, f"attempt {attempt.number}: {status}: {outcome.message}"),
        )

    def _wait_s(self, name: str) -> float:
        """Time before a job is started again, s; at once unless ``retries`` are asked for."""
        if self.retries is None:
            return 0.0
        return float(min(LONGEST_WAIT_S, 2 ** (self.lost[name] - 1)))

    def note(self, text: str) -> None:
        """Say something once that a reader of the hub must know too."""
        self.notes.append(text)
        self.shown.say(text)

    def journal(self, event: str, **facts: object) -> None:
        """Append to the journal, which tells what was under way if the runner dies.

        ``<hub>`` stands for the folder that the journal lies in.
        """
        hidden = self.places.hidden(facts)
        line = canonical_json({"time": round(time.time(), 3), "event": event, **hidden})
        with (self.staging.path / layout.JOURNAL).open("ab") as stream:
            stream.write(line + b"\n")
            stream.flush()
            os.fsync(stream.fileno())


def write_declaration(run: Run) -> None:
    """Put what was declared and what follows from it into the hub."""
    folder = run.staging.path
    (folder / layout.MANIFEST).write_bytes(run.loaded.source)
    (folder / layout.PLAN).write_bytes(pretty_json(run.plan.model_dump(mode="json")))
    bundle_code(run.code.snapshot, folder)
    if run.lock is not None:
        (folder / layout.LOCK).write_bytes(run.lock.content)
    if run.code.diff:
        (folder / layout.DIFF).write_bytes(run.code.diff)
    run.journal("planned", version=1, manifest_sha256=run.loaded.sha256, run=run.run_id)
