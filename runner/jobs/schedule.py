"""Runs jobs side by side in the places there are, follows them, and leaves none behind."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from runner.core.errors import EngineError
from runner.engines.base import Engine, Handle, Outcome
from runner.jobs.attempts import Attempt
from runner.jobs.events import NAME, EventReader
from runner.jobs.progress import Display, JobProgress

POLL_S = 0.2

Place = tuple[str, ...]
"""Where one job may run: the id of its GPU, or nothing for a share of the cores."""

Journal = Callable[..., None]
"""``journal(event, **facts)`` appends one line to the run's journal."""

Ended = Callable[[Attempt, Outcome], Sequence[Attempt] | None]
"""Is told how an attempt ended; what it returns follows at once, before any that waits."""


@dataclass(kw_only=True)
class _Running:
    handle: Handle
    place: Place
    progress: JobProgress
    events: EventReader


def run_attempts(
    engine: Engine,
    attempts: Iterable[Attempt],
    *,
    places: Iterable[Place],
    shown: Display,
    journal: Journal,
    ended: Ended = lambda _attempt, _outcome: None,
) -> dict[str, Outcome]:
    """Run every attempt, as many at a time as there are places.

    One that fails takes nothing along: the others go on. ``ended`` is called as each one ends, so
    that what is finished is kept whatever happens next; an attempt that it returns is the next to
    get a place. Whatever is raised out of here, an interrupt above all, leaves no job behind.

    Returns:
        How each attempt ended, by the name of its launch.

    Raises:
        ValueError: There are attempts and no place for any of them, ever.
    """
    waiting, free = deque(attempts), deque(places)
    if waiting and not free:
        raise ValueError(f"no place to run {waiting[0].launch.name}")
    by_name = {attempt.launch.name: attempt for attempt in waiting}
    running: dict[str, _Running] = {}
    outcomes: dict[str, Outcome] = {}

    def finish(name: str, outcome: Outcome, place: Place) -> None:
        outcomes[name] = outcome
        free.append(place)
        journal("ended", name=name, status=outcome.status, exit_code=outcome.exit_code)
        following = ended(by_name[name], outcome) or ()
        by_name.update((attempt.launch.name, attempt) for attempt in following)
        waiting.extendleft(reversed(following))

    try:
        while waiting or running:
            while waiting and free:
                attempt, place = waiting.popleft(), free.popleft()
                begun = _begin(engine, attempt, place)
                if isinstance(begun, Outcome):
                    shown.say(f"{attempt.launch.name}: {begun.message}")
                    finish(attempt.launch.name, begun, place)
                    continue
                running[attempt.launch.name] = begun
                shown.begin(begun.progress)
                journal("started", name=attempt.launch.name, handle=vars(begun.handle))
            for name, job in list(running.items()):
                outcome = engine.poll(job.handle)
                _follow(job, shown)
                if outcome is not None:
                    del running[name]
                    engine.stop(job.handle)
                    shown.end(job.progress, _last_line(name, outcome))
                    finish(name, _noted(job, outcome, shown), job.place)
            if running:
                time.sleep(POLL_S)
    except BaseException as cause:
        for name, job in running.items():
            # An engine that no longer answers cannot stop its jobs; what is known is kept still.
            with suppress(EngineError):
                engine.stop(job.handle)
            ended(by_name[name], _interrupted(job.handle, cause))
        raise
    return outcomes


def _interrupted(handle: Handle, cause: BaseException) -> Outcome:
    why = str(cause) if isinstance(cause, EngineError) else "the run was stopped"
    return Outcome(
        status="interrupted",
        exit_code=None,
        message=f"{why}; run the phase again",
        started_at=handle.started_at,
        ended_at=time.time(),
    )


def _begin(engine: Engine, attempt: Attempt, place: Place) -> _Running | Outcome:
    on_gpu = attempt.job.execution.device == "cuda"
    launch = replace(attempt.launch, gpu_ids=place if on_gpu else ())
    now = time.time()
    try:
        handle = engine.start(launch)
    except EngineError as error:
        return Outcome(
            status="could_not_start",
            exit_code=None,
            message=str(error),
            started_at=now,
            ended_at=time.time(),
        )
    return _Running(
        handle=handle,
        place=place,
        progress=JobProgress(launch.name, attempt.job.steps),
        events=EventReader(launch.out_dir / NAME),
    )


def _follow(job: _Running, shown: Display) -> None:
    for event in job.events.new():
        shown.event(job.progress, job.progress.update(event))


def _noted(job: _Running, outcome: Outcome, shown: Display) -> Outcome:
    """The outcome with what was wrong with the job's events; every note is said too."""
    notes = (*outcome.notes, *([job.events.note] if job.events.note else []))
    for note in notes:
        shown.say(f"{job.handle.name}: {note}")
    return replace(outcome, notes=notes)


def _last_line(name: str, outcome: Outcome) -> str:
    seconds = round(outcome.ended_at - outcome.started_at)
    if outcome.status == "succeeded":
        return f"{name}: finished after {seconds} s"
    return f"{name}: {outcome.status.replace('_', ' ')} after {seconds} s: {outcome.message}"
