"""A phase, step by step: check, plan, engine, dataset, arms, verdict, reports, seal."""

from __future__ import annotations

import secrets
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from runner import arms, hub, provenance, verdict
from runner.arms import timestamp
from runner.attempts import Attempt, lay_out
from runner.dataset import Dataset, not_made, prepare
from runner.devices import choose_device, reserve_places
from runner.digest import canonical_json, pretty_json
from runner.engines import Needs, open_engine
from runner.engines.base import Engine, Outcome
from runner.environment import models_source, state_dir
from runner.errors import EngineError, VerificationError
from runner.manifest import LoadedManifest, load
from runner.plan import Device, Plan, asks_for_gpu, make_plan
from runner.preflight import preflight, this_machine
from runner.progress import Display, display
from runner.record import ArmRecord, DatasetRecord, EngineRecord, HubRecord
from runner.removal import remove_tree
from runner.report import write_reports
from runner.schedule import run_attempts
from runner.wheels import Variant

WORK = ".attempts"
"""Folder of the attempts inside the staged hub; gone before the seal."""


NO_ENGINE = EngineRecord(name="none", isolated=False)
"""What a hub says when no engine could be opened."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for on the command line."""

    manifest: Path
    engine: str = "auto"
    device: str = "auto"
    profile: str | None = None
    only: tuple[str, ...] = ()
    artifacts: Path = Path("artifacts")
    python: Path | None = None


@dataclass(kw_only=True)
class Run:
    """A run on its way: what was decided, and what has come out so far."""

    loaded: LoadedManifest
    plan: Plan
    staging: hub.Staging
    code: provenance.Code
    shown: Display
    started: float = field(default_factory=time.time)
    run_id: str = field(default_factory=lambda: secrets.token_hex(8))
    """Tells this run's jobs from those of any other on the same daemon."""
    notes: list[str] = field(default_factory=list)
    engine: EngineRecord = NO_ENGINE
    dataset: DatasetRecord | None = None
    arms: dict[str, ArmRecord] = field(default_factory=dict)
    failure: EngineError | None = None
    interrupted: bool = False

    @property
    def device(self) -> Device:
        """``cuda`` when any arm computes on a GPU."""
        on_gpu = any(job.execution.device == "cuda" for job in self.plan.arms)
        return "cuda" if on_gpu else "cpu"

    @property
    def labels(self) -> dict[str, str]:
        """What marks this run's jobs at the engine."""
        return {"phase": self.plan.phase, "run": self.run_id}

    def note(self, text: str) -> None:
        """Say something once that a reader of the hub must know too."""
        self.notes.append(text)
        self.shown.say(text)

    def journal(self, event: str, **facts: object) -> None:
        """Append to the journal, which tells what was under way if the runner dies."""
        line = canonical_json({"time": round(time.time(), 3), "event": event, **facts})
        with (self.staging.path / hub.JOURNAL).open("ab") as stream:
            stream.write(line + b"\n")


def run_phase(request: Request) -> tuple[Path, int]:
    """Run a phase and seal its hub.

    Returns:
        The hub's path and the exit code.

    Raises:
        RunnerError: Nothing was run: the manifest, the device or the output folder is at fault.
    """
    loaded = load(request.manifest)
    device, remark = choose_device(request.device, wants_gpu=asks_for_gpu(loaded, request.profile))
    plan = make_plan(loaded, profile=request.profile, only=request.only, device=device)
    remarks = preflight(plan, this_machine(request.artifacts))
    staging = hub.stage(request.artifacts, plan.phase, datetime.now(UTC))
    with sigterm_as_interrupt(), display() as shown:
        run = Run(
            loaded=loaded,
            plan=plan,
            staging=staging,
            code=provenance.identify_code(diff_name=hub.DIFF),
            shown=shown,
        )
        write_declaration(run)
        if remark:
            run.note(remark)
        for text in remarks:
            shown.say(text)
        try:
            carry_out(run, request)
        except EngineError as error:
            run.failure = error
            shown.say(str(error))
        except KeyboardInterrupt:
            run.interrupted = True
            shown.say("interrupted: jobs are stopped; sealing what was finished")
        record = conclude(run)
        path = seal(run, record)
    return path, run.failure.exit_code if run.failure else verdict.exit_code(record)


def write_declaration(run: Run) -> None:
    """Put what was declared and what follows from it into the hub."""
    folder = run.staging.path
    (folder / hub.MANIFEST).write_bytes(run.loaded.source)
    (folder / hub.PLAN).write_bytes(pretty_json(run.plan.model_dump(mode="json")))
    if run.code.diff:
        (folder / hub.DIFF).write_bytes(run.code.diff)
    run.journal("planned", manifest_sha256=run.loaded.sha256, run=run.run_id)


def carry_out(run: Run, request: Request) -> None:
    """Prepare the engine and the dataset, then run every arm."""
    image = run.loaded.manifest.image
    variant: Variant = run.device if image.variant == "auto" else image.variant
    engine = open_engine(
        request.engine,
        Needs(
            variant=variant,
            cache=state_dir(),
            say=run.shown.say,
            base=image.base,
            python=request.python,
        ),
    )
    run.engine = EngineRecord(name=engine.name, isolated=engine.isolated, facts=engine.describe())
    try:
        dataset = make_dataset(run, engine)
        if dataset is not None:
            run_arms(run, engine, dataset)
    finally:
        engine.remove_leftovers(run.run_id)


def make_dataset(run: Run, engine: Engine) -> Dataset | None:
    """The dataset that all arms share; ``None``, with the failure on record, if there is none."""

    def execute(attempt: Attempt) -> Outcome:
        outcomes = run_attempts(
            engine, [attempt], places=[()], shown=run.shown, journal=run.journal
        )
        return outcomes[attempt.launch.name]

    made = prepare(
        run.plan.dataset,
        models=models_source(state_dir()) / "models",
        environment=str(run.engine.facts["packages_sha256"]),
        cache=state_dir() / "datasets",
        labels=run.labels,
        run=execute,
        say=run.shown.say,
    )
    if isinstance(made, DatasetRecord):
        run.dataset = made
        run.shown.say(f"dataset: {made.status}: {made.message}")
        return None
    run.dataset = made.record
    made.describe_in(run.staging.path / hub.DATASET)
    return made


def run_arms(run: Run, engine: Engine, dataset: Dataset) -> None:
    """Run the arms side by side; each one's results are in the hub as soon as it ends."""
    manifest = run.loaded.manifest
    attempts = [
        lay_out(
            job,
            folder=run.staging.path / WORK / job.name / "1",
            inputs=dataset.inputs,
            data_dir=dataset.folder,
            labels=run.labels,
        )
        for job in run.plan.arms
    ]

    def ended(attempt: Attempt, outcome: Outcome) -> None:
        record = arms.conclude(
            attempt,
            outcome,
            folder=run.staging.path,
            stage=manifest.phase.stage,
            rules=manifest.verdict.rules,
        )
        run.arms[record.name] = record
        run.shown.say(arms.describe(record))
        remove_tree(attempt.launch.out_dir)

    with reserve_places(run.plan.arms) as places:
        run_attempts(
            engine, attempts, places=places, shown=run.shown, journal=run.journal, ended=ended
        )


def conclude(run: Run) -> HubRecord:
    """Everything that the hub says about itself."""
    phase = run.loaded.manifest.phase
    image = run.engine.facts.get("image")
    records = tuple(
        run.arms.get(job.name) or arms.not_run(job, run.failure) for job in run.plan.arms
    )
    return HubRecord(
        phase=phase.name,
        title=phase.title,
        question=phase.question,
        findings=phase.findings,
        compare_with=phase.compare_with,
        stage=phase.stage,
        profile=run.plan.profile,
        started=timestamp(run.started),
        ended=timestamp(time.time()),
        interrupted=run.interrupted,
        seed=phase.seed,
        device=run.device,
        engine=run.engine,
        image=image if isinstance(image, dict) else None,
        code=run.code.record,
        dataset=run.dataset or not_made(run.plan.dataset, run.failure),
        arms=records,
        identical_arms=verdict.identical_arms(
            {arm.name: {**arm.parameters, "seed": arm.seed} for arm in records},
            {arm.name: arm.final_weights_sha256 for arm in records},
        ),
        rules_required=run.loaded.manifest.verdict.required,
        notes=tuple(run.notes),
    )


def seal(run: Run, record: HubRecord) -> Path:
    """Write the reports and the record, and seal the hub; its final path."""
    folder = run.staging.path
    remove_tree(folder / WORK)
    earlier = earlier_hubs(run, record)
    described = provenance.describe_run(
        sys.argv, started=timestamp(run.started), ended=timestamp(time.time())
    )
    (folder / hub.ENVIRONMENT).write_bytes(pretty_json(described))
    record = record.model_copy(update={"notes": tuple(run.notes)})
    write_reports(record, folder, earlier)
    hub.write_record(folder, record)
    return run.staging.seal()


def earlier_hubs(run: Run, record: HubRecord) -> list[HubRecord]:
    """The newest sealed hub of each phase that this one is to be compared with."""
    found = []
    artifacts = run.staging.final.parents[1]
    for phase in record.compare_with:
        hubs = hub.find_hubs(artifacts, phase)
        if not hubs:
            run.note(f"no sealed hub of {phase} to compare with")
            continue
        try:
            intact = hub.verify(hubs[-1]).intact
            found += [hub.read(hubs[-1])] if intact else []
        except VerificationError as error:
            run.note(f"not compared with {phase}: {error}")
            continue
        if not intact:
            run.note(f"not compared with {phase}: {hubs[-1].name} is not as it was sealed")
    return found


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C, so that both stop the jobs and keep what was finished."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
