"""What follows from a request before anything runs: plan, device, room, lock, registration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.core.errors import ManifestError
from runner.engines.images.snapshot import Snapshot
from runner.engines.kinds import is_elsewhere
from runner.hub.signing import try_key
from runner.jobs.devices import choose_device
from runner.jobs.sites import Chosen, chosen_engine, queue_use
from runner.manifest.model import LoadedManifest, load
from runner.manifest.set_knobs import OPTION
from runner.phase.lock_mismatches import engine_name_mismatches, plan_mismatches
from runner.phase.lockfile import Lock, find_lock
from runner.phase.run import Request, Run
from runner.phase.sources import ArmSources, find_sources
from runner.phase.unfinished import unfinished
from runner.plan.make import asks_for_gpu, make_plan
from runner.plan.model import Device, Plan, digest
from runner.plan.preflight import preflight, this_machine
from runner.verify.registration.power import registration_mismatches


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What follows from a request on this machine, before anything is run."""

    loaded: LoadedManifest
    plan: Plan
    device: Device
    engine: Chosen
    remark: str | None
    """What a reader of the hub must know of the device."""
    remarks: tuple[str, ...]
    """What the user must know of room and time."""

    @property
    def tests(self) -> Path | None:
        """The project whose tests the phase runs, if it runs any."""
        return self.loaded.project if self.plan.tests else None


def decide(request: Request) -> Decided:
    """Read, plan, and look whether there is room. Raises ``RunnerError`` for what cannot run."""
    if request.locked and request.set_over:
        raise ManifestError(
            f"--locked holds a run to the manifest's lock, and {OPTION} changes that; leave one "
            "of the two out, or write what is set into the manifest and lock that"
        )
    loaded = load(request.manifest, set_over=request.set_over, profile=request.profile)
    asked = request.engine
    engine = (
        Chosen(name=asked)
        if request.locked
        else chosen_engine(asked, loaded, python=request.python)
    )
    queue_use(loaded.project)  # a site file that is wrong is reported before anything begins
    elsewhere = is_elsewhere(engine.name)
    wants_gpu = asks_for_gpu(loaded, request.profile)
    device, remark = choose_device(
        request.device, wants_gpu=wants_gpu, engine=engine.name, project=loaded.project
    )
    plan = make_plan(
        loaded,
        profile=request.profile,
        only=request.only,
        with_optional=request.with_optional,
        device=device,
    )
    with_gpus = device == "cuda" and not elsewhere
    machine = this_machine(request.artifacts, with_gpus=with_gpus)
    remarks = tuple(preflight(plan, machine, elsewhere=elsewhere))
    if request.signing_key is not None:
        try_key(request.signing_key)
    return Decided(
        loaded=loaded, plan=plan, device=device, engine=engine, remark=remark, remarks=remarks
    )


def sources_of(request: Request) -> ArmSources:
    """The hubs that arms may be taken from. Raises ``VerificationError`` where one is none."""
    return find_sources(request.reuse, signers=request.signers, why=request.why)


def others_of(plan: Plan, artifacts: Path) -> Iterator[str]:
    """Of every run of the same plan that has begun and has no process: how to go on."""
    for one in unfinished(artifacts):
        if not one.alive and one.begun.plan_sha256 == digest(plan):
            yield (
                f"{one.staging.path} is an unfinished run of the same plan, {one.ended} of "
                f"{len(one.begun.arms)} arms ended; `phasehub resume {one.staging.path}` goes on "
                "with it"
            )


def held_to(request: Request, decided: Decided, code: Snapshot) -> Lock:
    """The lock of a manifest. Raises ``RunnerError`` for none, or one that does not match."""
    plan = decided.plan
    lock = find_lock(decided.loaded, plan, decided.device)
    named = asked_engine(request, lock)
    engine = "process" if named == "auto" else named
    lock.hold(
        [
            *engine_name_mismatches(lock.entry, engine),
            *plan_mismatches(lock.entry, plan, code.root),
        ]
    )
    return lock


def asked_engine(request: Request, lock: Lock | None) -> str:
    """The engine that was asked for; the locked one where any would do, unless ``--python`` is."""
    if lock is None or request.engine != "auto" or request.python is not None:
        return request.engine
    return lock.entry.engine


def not_as_registered(run: Run) -> list[str]:
    """Why this run will not count for what is registered for its phase, a sentence each."""
    wrong = registration_mismatches(
        run.registered,
        phase=run.plan.phase,
        profile=run.plan.profile,
        arms=run.plan.arms,
        set_knobs=run.plan.set_knobs,
    )
    code = run.code.record
    uncommitted = "the code is not committed" if code.commit else "no commit of the code is known"
    if run.registered and (code.commit is None or code.dirty is not False):
        why = f"{uncommitted}, so that no commit shows what came first"
        return [f"this run does not count for any registered finding: {why}", *wrong]
    unwritten = [
        f"this run does not count for {one.id}: no commit has its registration; commit "
        "docs/study/findings.toml before the run"
        for one in run.registered
        if not one.commit
    ]
    return [*unwritten, *wrong]
