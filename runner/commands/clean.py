"""``phasehub clean``: what dead runs have left, listed, and removed on request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from runner.core.caches import DAY_S, unused_by_others, unused_entries
from runner.core.errors import EngineError, OthersError, RunnerError
from runner.core.files import remove_tree
from runner.core.installation import SOURCES, state_dir
from runner.core.owners import other_owner
from runner.core.text import Say
from runner.engines.daemon import answering, connect
from runner.engines.images.unused import unused_images
from runner.engines.leftovers import Leftover, leftovers
from runner.hub.layout import Staging, all_staged, outlived_states
from runner.phase.unfinished import (
    RUN,
    Unfinished,
    held,
    is_alive,
    looked_at,
    was_alive,
)


@dataclass(frozen=True, kw_only=True)
class Removable:
    """Something that can be removed: of a dead run, or that nothing needs any more."""

    what: str
    remove: Callable[[], bool | None]
    """``False`` where somebody is at it."""


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """What became of something that was found, or would."""

    act: Literal["would remove", "removed", "in use"]
    what: str

    def __str__(self) -> str:
        return f"{self.act}: {self.what}" if self.act == "in use" else f"{self.act} {self.what}"


def clean(artifacts: Path, *, remove: bool, say: Say) -> Iterator[Cleaned]:
    """A line for all that dead runs have left; with ``remove`` it is gone when its line comes.

    Jobs go before the folders that they write to.
    """
    yield from done([*jobs(artifacts, say), *folders(artifacts)], remove=remove)


def clean_caches(longer_than_days: float, *, remove: bool, say: Say) -> Iterator[Cleaned]:
    """A line for each cache and image that was not needed for so many days, as ``clean``.

    Raises ``EngineError`` while a run is under way that may need them.
    """
    longest_s = longer_than_days * DAY_S
    with unused_by_others(state_dir()):
        entries = [
            Removable(what=f"{one.path}, unused for {in_days(one.unused_s)}", remove=one.remove)
            for one in unused_entries(state_dir(), longest_s)
        ]
        yield from done([*entries, *images(longest_s, say)], remove=remove)


def images(longer_than_s: float, say: Say) -> Iterator[Removable]:
    """Images of other code, where a daemon answers."""
    try:
        client = connect()
        with answering():
            for one in unused_images(client, SOURCES, longer_than_s):
                what = f"image {one.reference}, built {in_days(one.age_s)} ago from other code"
                yield Removable(what=what, remove=one.remove)
    except EngineError as error:
        say(f"images were not looked for: {error}")


def in_days(seconds: float) -> str:
    """A time as users count it."""
    return f"{seconds / DAY_S:.0f} days"


def done(found: Iterable[Removable], *, remove: bool) -> Iterator[Cleaned]:
    """A line for each; with ``remove`` it is gone then, or in use.

    Raises ``EngineError`` at the end for what could not be removed.
    """
    stays = []
    for one in found:
        if not remove:
            yield Cleaned(act="would remove", what=one.what)
            continue
        try:
            gone = one.remove()
        except OSError as error:
            stays.append(str(error))
            continue
        yield Cleaned(act="in use" if gone is False else "removed", what=one.what)
    if stays:
        raise EngineError(f"not removed: {'; '.join(stays)}; mend the rights, and clean again")


def jobs(artifacts: Path, say: Say) -> Iterator[Removable]:
    """Jobs of dead runs below ``artifacts``, and of runs whose folder is gone."""
    for one in leftovers(say):
        if is_dead(one, artifacts):
            yield Removable(what=f"{one.name}, a job of {one.state}", remove=one.stop)


def is_dead(job: Leftover, artifacts: Path) -> bool:
    """Whether nothing will take a job over that a run below ``artifacts`` has started.

    A job of another folder is left to who cleans there, unless that folder is gone.
    """
    if job.runner_lives:
        return False
    if not job.state.is_dir():
        return True
    return job.state.parent.parent == artifacts.resolve() and not is_alive(job.state)


def folders(artifacts: Path) -> Iterator[Removable]:
    """Our runs below ``artifacts`` that no process executes, and what was left of sealed ones."""
    for staging, run in looked_at(artifacts):
        if isinstance(run, OthersError):
            continue
        if isinstance(run, RunnerError):
            what = f"{staging.path}, which cannot go on: {run}"
            yield Removable(what=what, remove=partial(discard, staging))
        elif not run.alive:
            yield Removable(what=describe(run), remove=partial(discard, staging))
    for staging in all_staged(artifacts):
        if other_owner(staging.state):
            continue
        if was_alive(staging.state) and not (staging.state / RUN).exists():
            what = f"{staging.path}, of a run that was cut short before it began"
            yield Removable(what=what, remove=partial(discard, staging))
    for state in outlived_states(artifacts):
        if not other_owner(state) and not is_alive(state):
            what = f"{state}, of a run that is sealed"
            yield Removable(what=what, remove=partial(remove_tree, state))


def describe(run: Unfinished) -> str:
    """What is lost with a run."""
    path = run.staging.path
    return (
        f"{path}, {run.ended} of {len(run.begun.arms)} arms ended; `phasehub resume {path}` would "
        "go on with it"
    )


def discard(staging: Staging) -> None:
    """Remove a run, which no process executes meanwhile."""
    with held(staging):
        remove_tree(staging.path)
        remove_tree(staging.state)
