"""The datasets of a run: simulated, taken from the cache, or on record as failed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from runner.core.digest import digest_json
from runner.core.installation import state_dir
from runner.experiment import EXPERIMENT
from runner.hub.records.data import DatasetRecord
from runner.jobs.dataset_cache import Sealed, differing, digests, sealed_data
from runner.jobs.datasets import Dataset, given_digest, origin, prepare
from runner.jobs.session import Session
from runner.phase import resume
from runner.phase.lock_mismatches import dataset_mismatches
from runner.phase.run import Run
from runner.phase.sessions import run_alone
from runner.plan.model import Job


def make_datasets(run: Run, session: Session, cache: Path | None = None) -> None:
    """Make the datasets of all arms, one after the other.

    The arms of one that cannot be simulated do not run; the others do. Hubs of this phase that were
    made from the same are asked whether it is theirs; a ``cache`` of the caller's own has nothing
    in it that they could tell of. A run that goes on takes those of arms that have ended out of the
    cache again: audits and follow-ups may still need them.
    """
    sealed = {} if cache else sealed_data(run.artifacts, run.plan.phase)
    for job in run.plan.datasets:
        made = make_dataset(run, session, job, sealed, cache or state_dir() / "datasets")
        if made is not None:
            run.data[job.name] = made


def make_dataset(
    run: Run, session: Session, job: Job, sealed: Mapping[str, Sealed], cache: Path
) -> Dataset | None:
    """One dataset; ``None``, with the failure on record, if it cannot be simulated."""
    witness = sealed.get(digest_json(origin(job, run.code.snapshot, run.engine)))
    made = prepare(
        job,
        code=run.code.snapshot,
        engine=run.engine,
        sealed=witness,
        cache=cache,
        labels=run.labels,
        run=lambda attempt: run_alone(run, session, attempt),
        say=run.shown.say,
        given=run.loaded.given.get(given_digest(job) or ""),
    )
    if isinstance(made, DatasetRecord):
        run.datasets[job.name] = made
        run.shown.say(f"{job.name}: {made.status}: {made.message}")
        return None
    before = run.datasets.get(job.name)
    if before is None:
        made.describe_in(run.staging.path / made.record.folder)  # not after it is on record
        run.datasets[job.name] = made.record
    if run.lock is not None:
        run.lock.hold(dataset_mismatches(run.lock.entry, made.record))
    note_data(run, made, witness)
    return made if before is None else resume.same_data(before, made)


def note_data(run: Run, made: Dataset, witness: Sealed | None) -> None:
    """Say what a reader of the hub must know of a dataset."""
    if witness and (names := differing(witness.files, digests(made.record.files))):
        run.note(
            f"the data differ in {names} from those of {witness.hub}, which have the same address: "
            "one of the two hubs was made on another kind of machine, or is not what it says; "
            "`phasehub verify` and `phasehub reproduce` tell"
        )
    for note in EXPERIMENT.given.notes(made.record.metadata):
        if note not in run.notes:
            run.note(note)
