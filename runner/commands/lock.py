"""Locking a manifest: resolve it as a run would, simulate its data, write down what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from runner.core.digest import sha256_file
from runner.core.errors import EngineError, ManifestError
from runner.core.installation import SOURCES, state_dir
from runner.core.interrupts import interrupts
from runner.engines import Needs, open_engine
from runner.engines.environments.wheels import lock_path
from runner.engines.images.snapshot import Snapshot
from runner.engines.images.stage import DOCKERFILE
from runner.hub.provenance import describe_engine, take_code
from runner.hub.records.data import DatasetRecord
from runner.hub.records.provenance import EngineRecord
from runner.jobs.datasets import given_digest, prepare
from runner.jobs.devices import choose_device, package_variant
from runner.jobs.progress import Display, display
from runner.jobs.session import Session, cleaned_up
from runner.jobs.sites import chosen_engine, queue_use
from runner.manifest.model import LoadedManifest, load
from runner.phase import lock_mismatches, lockfile
from runner.plan.make import asks_for_gpu, make_plan
from runner.plan.model import Device, Job, Plan, computes_on


@dataclass(frozen=True, kw_only=True)
class LockRequest:
    """What the user asked for on the command line."""

    manifest: Path
    profile: str | None = None
    engine: str = "auto"
    device: str = "auto"
    python: Path | None = None


def lock(request: LockRequest) -> Path:
    """Write what a manifest resolves to beside it; the path of the lock file.

    Entries of other profiles and devices stay, if they are of the same manifest.

    Raises:
        ManifestError: The manifest is at fault.
        EngineError: The engine, the device or the dataset cannot be had.
    """
    loaded = load(request.manifest)
    chosen = chosen_engine(request.engine, loaded, python=request.python)
    request = replace(request, engine=chosen.name)
    wanted, remark = choose_device(
        request.device,
        wants_gpu=asks_for_gpu(loaded, request.profile),
        engine=request.engine,
        project=loaded.project,
    )
    optional = has_optional(loaded, request.profile)
    plan = make_plan(loaded, profile=request.profile, with_optional=optional, device=wanted)
    path = lockfile.lock_file(request.manifest)
    code = take_code(SOURCES, state_dir()).snapshot
    with interrupts(), display() as shown:
        if remark:
            shown.say(remark)
        entry = resolve(request, loaded, plan, wanted, code, shown)
        lockfile.write(path, lockfile.with_entry(present(path, loaded, shown), loaded, entry))
    return path


def has_optional(loaded: LoadedManifest, profile: str | None) -> bool:
    """Whether any arm runs on request only; a lock holds for those, too."""
    return any(arm.optional for arm in loaded.variant(profile).arms)


def present(path: Path, loaded: LoadedManifest, shown: Display) -> lockfile.LockFile | None:
    """The lock that is there already, if it can be read; says so when its entries are lost."""
    if not path.exists():
        return None
    try:
        found, _ = lockfile.read(path)
    except ManifestError as error:
        shown.say(f"what was locked before is replaced: {error}")
        return None
    if found.manifest_sha256 != loaded.sha256:
        shown.say(f"{path} was of an earlier {loaded.path.name}; its entries are replaced")
    return found


def resolve(
    request: LockRequest,
    loaded: LoadedManifest,
    plan: Plan,
    device: Device,
    code: Snapshot,
    shown: Display,
) -> lockfile.LockEntry:
    """The entry of a plan: the engine is opened, and the datasets simulated or found."""
    variant = package_variant(loaded, computes_on(plan))
    engine = open_engine(
        request.engine,
        Needs(
            variant=variant,
            cache=state_dir(),
            say=shown.say,
            code=code,
            base=loaded.manifest.image.base,
            python=request.python,
            queue=queue_use(loaded.project),
        ),
    )
    facts = describe_engine(engine, code)
    with cleaned_up(Session(engine=engine, shown=shown)) as session:
        datasets = [simulated(loaded, plan, job, session, facts, code) for job in plan.datasets]
    base = lock_mismatches.base_of(facts)
    return lockfile.LockEntry(
        profile=plan.profile,
        device=device,
        engine=engine.name,
        base=base,
        dockerfile_sha256=sha256_file(code.root / DOCKERFILE) if base else None,
        packages=lockfile.Packages(
            variant=variant,
            requirements_sha256=sha256_file(lock_path(variant, code.root)),
            installed_sha256=str(facts.facts["packages_sha256"]),
            python=lock_mismatches.python_of(facts),
        ),
        models_sha256=code.models_sha256,
        jobs=lock_mismatches.job_digests(plan),
        dataset=lock_mismatches.dataset_digests(datasets),
    )


def simulated(
    loaded: LoadedManifest,
    plan: Plan,
    job: Job,
    session: Session,
    facts: EngineRecord,
    code: Snapshot,
) -> DatasetRecord:
    """A dataset's record. Raises ``EngineError`` where it cannot be simulated."""
    made = prepare(
        job,
        code=code,
        engine=facts,
        cache=state_dir() / "datasets",
        labels={"phase": plan.phase, "run": session.run_id},
        run=session.run_alone,
        say=session.shown.say,
        given=loaded.given.get(given_digest(job) or ""),
    )
    if isinstance(made, DatasetRecord):
        raise EngineError(
            f"the {made.name} could not be simulated: {made.status}: {made.message}; nothing is "
            "locked"
        )
    return made.record
