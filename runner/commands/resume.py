"""``phasehub resume``: go on with a run that has begun and is not sealed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from runner.core.interrupts import interrupts
from runner.jobs.progress import display
from runner.phase.decide import decide, held_to, sources_of
from runner.phase.execute import go_on
from runner.phase.resume import (
    code_again,
    describe_arms,
    make_writable,
    refuse_another_plan,
    request_of,
)
from runner.phase.run import Run
from runner.phase.run_process import announce
from runner.phase.unfinished import (
    choose,
    held,
    mend_journal,
    read_begun,
    starts,
)
from runner.phase.ways_on import resumable


def resume(named: Path | None, artifacts: Path, jobs: int | None = None) -> tuple[Path, int]:
    """Go on with a run, the only one that no process executes if none is ``named``, and seal it.

    Returns:
        The hub's path and the exit code.

    Raises:
        RunnerError: There is none, another process is at it, or it cannot go on as it was begun.
    """
    staging = choose(named, artifacts).staging
    with interrupts(), held(staging), display() as shown, resumable(staging, shown):
        known = read_begun(staging)
        request = replace(request_of(known), artifacts=staging.path.parent.parent, jobs=jobs)
        # What was taken is here; a source that is gone by now has the rest run.
        there = tuple(folder for folder in request.reuse if folder.exists())
        request = replace(request, reuse=there)
        decided = decide(request)
        refuse_another_plan(known, decided.loaded, decided.plan, staging.path)
        code = code_again(known, staging.path, decided.tests)
        run = Run(
            loaded=decided.loaded,
            plan=decided.plan,
            staging=staging,
            code=code,
            shown=shown,
            started=known.started,
            run_id=known.run_id,
            notes=list(known.notes),
            only=known.asked.only,
            signing_key=request.signing_key,
            lock=held_to(request, decided, code.snapshot) if request.locked else None,
            registered=known.registered,
            started_before=starts(staging),
            sources=sources_of(request),
            jobs=jobs,
            fail_fast=request.fail_fast,
            retries=request.retries,
        )
        make_writable(staging.path)
        mend_journal(staging)
        run.journal("resumed")
        for line in describe_arms(run):
            shown.say(line)
        announce(staging)
        return go_on(run, request)
