"""What a reader of the hub must know of where a run ran."""

from __future__ import annotations

from collections.abc import Iterator

from runner.phase.run import Run
from runner.plan.model import Job, plan_remarks

MOST_DIFFERENCES = 10
"""Packages that a note names; an interpreter without any would fill a page."""


def mismatches(run: Run) -> list[str]:
    """What a reader of the hub must know about where it ran: other packages, relaxed limits."""
    found = run.engine.facts.get("differences")
    differences = [str(one) for one in found] if isinstance(found, list) else []
    notes = [*plan_remarks(run.plan), *(n for job in run.plan.arms for n in relaxed(job))]
    if differences:
        shown = "; ".join(differences[:MOST_DIFFERENCES])
        rest = ", all of them in hub.json" if len(differences) > MOST_DIFFERENCES else ""
        notes.append(
            f"the environment is not the lock's, {len(differences)} differences{rest}: {shown}"
        )
    return notes


def relaxed(job: Job) -> Iterator[str]:
    """What an arm may do that others may not, a sentence each."""
    if job.resources.network:
        yield f"{job.name} may reach the network"
    if job.resources.seccomp != "strict":
        yield (
            f"{job.name} may make other system calls than computing takes: its seccomp profile is "
            f"{job.resources.seccomp}"
        )
