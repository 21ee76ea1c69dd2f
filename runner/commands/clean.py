"""``phasehub clean``: what dead runs have left, listed, and removed on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from runner.core.errors import RunnerError
from runner.core.files import remove_tree
from runner.core.text import Say
from runner.engines.leftovers import Leftover, leftovers
from runner.hub.layout import Staging, all_staged, outlived_states
from runner.phase.unfinished import (
    RUN,
    Unfinished,
    held,
    is_carried_on,
    looked_at,
    was_carried_on,
)


@dataclass(frozen=True, kw_only=True)
class Remains:
    """Something that a dead run has left."""

    told: str
    remove: Callable[[], None]


def clean(artifacts: Path, *, remove: bool, say: Say) -> Iterator[str]:
    """A line for all that dead runs have left; with ``remove`` it is gone when its line comes.

    Jobs go before the folders that they write to.
    """
    for one in [*jobs(artifacts, say), *folders(artifacts)]:
        if remove:
            one.remove()
        yield f"{'removed' if remove else 'would remove'} {one.told}"


def jobs(artifacts: Path, say: Say) -> Iterator[Remains]:
    """Jobs of dead runs below ``artifacts``, and of runs whose folder is gone."""
    for one in leftovers(say):
        if is_dead(one, artifacts):
            yield Remains(told=f"{one.name}, a job of {one.state}", remove=one.stop)


def is_dead(job: Leftover, artifacts: Path) -> bool:
    """Whether nothing will take a job over that a run below ``artifacts`` has started.

    A job of another folder is left to who cleans there, unless that folder is gone.
    """
    if job.runner_lives:
        return False
    if not job.state.is_dir():
        return True
    return job.state.parent.parent == artifacts.resolve() and not is_carried_on(job.state)


def folders(artifacts: Path) -> Iterator[Remains]:
    """Runs below ``artifacts`` that nothing carries on, and what was left of sealed ones."""
    for staging, run in looked_at(artifacts):
        if isinstance(run, RunnerError):
            told = f"{staging.path}, which cannot go on: {run}"
            yield Remains(told=told, remove=partial(discard, staging))
        elif not run.alive:
            yield Remains(told=describe(run), remove=partial(discard, staging))
    for staging in all_staged(artifacts):
        if was_carried_on(staging.state) and not (staging.state / RUN).exists():
            told = f"{staging.path}, of a run that was cut short before it began"
            yield Remains(told=told, remove=partial(discard, staging))
    for state in outlived_states(artifacts):
        if not is_carried_on(state):
            told = f"{state}, of a run that is sealed"
            yield Remains(told=told, remove=partial(remove_tree, state))


def describe(run: Unfinished) -> str:
    """What is lost with a run."""
    path = run.staging.path
    return (
        f"{path}, {run.ended} of {len(run.begun.arms)} arms ended; `phasehub resume {path}` would "
        "go on with it"
    )


def discard(staging: Staging) -> None:
    """Remove a run, which nothing carries on meanwhile."""
    with held(staging):
        remove_tree(staging.path)
        remove_tree(staging.state)
