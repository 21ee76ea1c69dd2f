"""``phasehub resume`` and ``phasehub status``: runs that have begun and are not sealed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from runner.core.errors import EngineError, RunnerError
from runner.core.interrupts import interrupts
from runner.engines import processes
from runner.jobs.progress import display
from runner.phase.carrier import announce, read_carrier
from runner.phase.execute import decide, go_on, held_to, sources_of
from runner.phase.resume import (
    code_again,
    make_writable,
    refuse_another_plan,
    request_of,
    told,
)
from runner.phase.run import Run
from runner.phase.unfinished import (
    Unfinished,
    choose,
    held,
    looked_at,
    mend_journal,
    read_begun,
    starts,
    unfinished,
)


def resume(named: Path | None, artifacts: Path) -> tuple[Path, int]:
    """Go on with a run, the only one that nothing carries on if none is ``named``, and seal it.

    Returns:
        The hub's path and the exit code.

    Raises:
        RunnerError: There is none, another process is at it, or it cannot go on as it was begun.
    """
    staging = choose(named, artifacts).staging
    with interrupts(), held(staging), display() as shown:
        known = read_begun(staging)
        request = replace(request_of(known), artifacts=staging.path.parent.parent)
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
        )
        make_writable(staging.path)
        mend_journal(staging)
        run.journal("resumed")
        for line in told(run):
            shown.say(line)
        announce(staging)
        return go_on(run, request)


def status(artifacts: Path) -> Iterator[str]:
    """A line for every run that has begun and is not sealed."""
    for one in unfinished(artifacts):
        yield describe(one)
    for staging, found in looked_at(artifacts):
        if isinstance(found, RunnerError):
            yield f"{staging.path}  cannot go on: {found}"


def describe(one: Unfinished) -> str:
    """Where a run lies, since when, how far it is, and whether anything carries it on."""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(one.begun.started))
    how_far = f"{one.ended} of {len(one.begun.arms)} arms ended"
    return f"{one.staging.path}  since {since}  {how_far}  {_fate(one)}"


def _fate(one: Unfinished) -> str:
    if not one.alive:
        return f"dead; phasehub resume {one.staging.path}"
    try:
        carrier = read_carrier(one.staging)
    except EngineError as error:
        return f"alive; {error}"
    if carrier is None:
        return "alive"
    follow = f"; phasehub attach {one.staging.path}" if carrier.detached else ", in a terminal"
    return f"alive, process {processes.pid_of(carrier.process)}{follow}"
