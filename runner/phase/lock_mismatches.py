"""Where a run does not match an entry of a lock file: as planned, as opened, as simulated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.core.digest import digest_json, sha256_file
from runner.core.project import models_digest
from runner.engines.environments.wheels import lock_path
from runner.engines.images.stage import DOCKERFILE
from runner.engines.kinds import kind_of
from runner.hub.records.data import DatasetRecord
from runner.hub.records.provenance import EngineRecord
from runner.manifest.dataset_names import label_of
from runner.phase.lockfile import Base, LockEntry, Mismatch, differs, short
from runner.plan.model import Plan


def plan_mismatches(entry: LockEntry, plan: Plan, root: Path) -> Iterator[Mismatch]:
    """What can be checked before anything is started: plan, source, package lock, Dockerfile.

    ``root`` is that of the snapshot that would run.
    """
    for name, digest in job_digests(plan).items():
        yield from differs(
            f"plan of {name}",
            entry.jobs.get(name, "none"),
            digest,
            "use the phasehub that wrote the lock: this one plans otherwise",
        )
    yield from differs(
        "source of models/", entry.models_sha256, models_digest(root), "restore it from git"
    )
    requirements = lock_path(entry.packages.variant, root)
    yield from differs(
        f"models/{requirements.name}",
        entry.packages.requirements_sha256,
        sha256_file(requirements),
        "restore it from git",
    )
    if entry.dockerfile_sha256 is not None:
        yield from differs(
            DOCKERFILE,
            entry.dockerfile_sha256,
            sha256_file(root / DOCKERFILE),
            "restore it from git",
        )


def engine_name_mismatches(entry: LockEntry, asked: str) -> Iterator[Mismatch]:
    """Whether the engine that is asked for is the locked one; ``--python`` asks for process."""
    remedy = f"run with --engine {entry.engine}"
    if kind_of(entry.engine).always_contained:
        remedy += " and without --python"
    yield from differs("engine", entry.engine, asked, remedy)


def engine_mismatches(entry: LockEntry, engine: EngineRecord) -> Iterator[Mismatch]:
    """What an engine tells once it is open: base image and installed packages."""
    found = base_of(engine)
    if entry.base is not None and found is not None and not _same_base(entry.base, found):
        yield Mismatch(
            what="base image",
            locked=_as_text(entry.base),
            found=_as_text(found),
            remedy=_base_remedy(entry.base),
        )
    yield from differs(
        "installed packages",
        entry.packages.installed_sha256,
        str(engine.facts["packages_sha256"]),
        "use the locked environment, without --python",
    )
    yield from differs(
        "Python",
        entry.packages.python,
        python_of(engine),
        "use that version, or lock with --engine docker, whose image brings its own",
    )


def dataset_mismatches(entry: LockEntry, dataset: DatasetRecord) -> Iterator[Mismatch]:
    """Whether a dataset has the bytes that were locked."""
    found, label = dataset_digests([dataset]), label_of(dataset.name)
    locked = {
        name: digest for name, digest in entry.dataset.items() if name.rpartition("/")[0] == label
    }
    for name in sorted({*locked, *found}):
        yield from differs(
            f"dataset {name}",
            locked.get(name, "none"),
            found.get(name, "none"),
            "it was simulated on another kind of machine, or the lock was edited",
        )


# --- what a run resolves to ----------------------------------------------------------------------


def job_digests(plan: Plan) -> dict[str, str]:
    """Job → digest of all that is planned for it."""
    jobs = (*plan.datasets, *plan.arms, *((plan.tests,) if plan.tests else ()))
    return {job.name: digest_json(job.model_dump(mode="json")) for job in jobs}


def dataset_digests(datasets: Iterable[DatasetRecord]) -> dict[str, str]:
    """File → digest; the files of one of several datasets behind its label."""
    return {
        f"{label_of(one.name)}/{file.path}".removeprefix("/"): file.sha256
        for one in datasets
        for file in one.files
    }


def base_of(engine: EngineRecord) -> Base | None:
    """The base image of an engine's image; ``None`` for an engine without."""
    image: Any = engine.facts.get("image")
    if not isinstance(image, Mapping):
        return None
    return Base(name=image["base"], id=image["base_id"], digests=tuple(image["base_digests"]))


def python_of(engine: EngineRecord) -> str:
    """Version of the interpreter that jobs run under."""
    image: Any = engine.facts.get("image")
    return str((image if isinstance(image, Mapping) else engine.facts)["python"])


def _same_base(locked: Base, found: Base) -> bool:
    """By id, or by a digest that a registry gave to both."""
    return locked.id == found.id or bool({*locked.digests} & {*found.digests})


def _as_text(base: Base) -> str:
    return f"{base.name} {short(base.id)}"


def _base_remedy(base: Base) -> str:
    if base.digests:
        return f"`docker pull {base.digests[0]}` and name that in image.base"
    return "it was made on one machine and is at no registry: take it from there by `docker save`"
