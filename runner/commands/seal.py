"""``phasehub seal``: the hub of a run that was cut short, with what has ended and no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from runner.commands.reproduction.original import read_declaration
from runner.core.errors import VerificationError
from runner.core.interrupts import held_back, interrupts
from runner.core.reading import read_file
from runner.engines.leftovers import stop_all
from runner.hub import layout
from runner.jobs.progress import Display, display
from runner.phase.execute import compare_with
from runner.phase.finalize import conclude
from runner.phase.finalize import seal as seal_hub
from runner.phase.lockfile import Lock
from runner.phase.lockfile import read as read_lock
from runner.phase.resume import bundled_code, drop_changed, make_writable, sweep
from runner.phase.run import NO_ENGINE, Run
from runner.phase.run_notes import mismatches
from runner.phase.unfinished import (
    Begun,
    choose,
    held,
    mend_journal,
    read_begun,
    read_engine,
    starts,
)
from runner.plan.model import Plan, digest, parse_plan


def seal(named: Path | None, artifacts: Path) -> Path:
    """Stop what still runs of a run, and seal its hub with what is on record; the hub's path.

    The manifest and the plan are those that lie in its folder, whatever has become of the file.

    Raises:
        RunnerError: There is none, another process is at it, or it is not as it was begun.
    """
    staging = choose(named, artifacts).staging
    with interrupts(), held(staging), display() as shown:
        make_writable(staging.path)
        mend_journal(staging)
        run = as_it_lies(staging, read_begun(staging), shown)
        stop_all(run.engine.name, run.run_id)
        for name, file in drop_changed(run):
            run.note(f"{name} does not count: {file} is not as it was when the arm ended")
        sweep(run)
        compare_with(run, staging.path.parent.parent)
        with held_back(then_raise=False):
            run.journal("sealed as it is")
            path = seal_hub(run, conclude(run))
    return path


def as_it_lies(staging: layout.Staging, known: Begun, shown: Display) -> Run:
    """A run as its folder has it. Raises ``VerificationError`` where something was changed."""
    plan = declared_plan(staging.path, known)
    loaded = read_declaration(staging.path, plan)
    if loaded.sha256 != known.manifest_sha256:
        raise VerificationError(f"{loaded.path} was changed; put back what the run began with")
    run = Run(
        loaded=replace(loaded, path=Path(known.asked.manifest)),
        plan=plan,
        staging=staging,
        code=bundled_code(known, staging.path),
        shown=shown,
        started=known.started,
        run_id=known.run_id,
        notes=list(known.notes),
        only=known.asked.only,
        signing_key=None if known.asked.signing_key is None else Path(known.asked.signing_key),
        lock=lock_of(staging.path, plan) if known.asked.locked else None,
        registered=known.registered,
        engine=read_engine(staging) or NO_ENGINE,
        started_before=starts(staging),
        interrupted=True,
    )
    run.notes += mismatches(run)
    return run


def declared_plan(folder: Path, known: Begun) -> Plan:
    """The plan that a run began with. Raises ``VerificationError`` for another one."""
    try:
        plan = parse_plan(read_file(folder, layout.PLAN, most=layout.MOST_RECORD_BYTES))
    except ValueError as error:
        raise VerificationError(f"{folder}: {error}; the run cannot be sealed") from error
    if digest(plan) != known.plan_sha256:
        raise VerificationError(
            f"{folder / layout.PLAN} is not the plan that the run began with, or is of another "
            f"version of phasehub; seal it with that, commit {known.code.commit or 'unknown'}"
        )
    return plan


def lock_of(folder: Path, plan: Plan) -> Lock:
    """What a run was held to, as its folder has it."""
    file, content = read_lock(folder / layout.LOCK)
    of_profile = (entry for entry in file.entries if entry.profile == plan.profile)
    return Lock(path=folder / layout.LOCK, content=content, entry=next(of_profile))
