"""Runs jobs side by side in the slots there are, follows them, and leaves none behind."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from runner.core.disk import refuse_full
from runner.core.errors import DiskError, EngineError, EngineLostError
from runner.core.interrupts import held_back
from runner.core.text import ReaderGone
from runner.engines.base import Engine, Handle, Outcome
from runner.jobs.attempts import Attempt
from runner.jobs.events import NAME, EventReader
from runner.jobs.heartbeat import Heartbeat
from runner.jobs.progress import Display, JobProgress
from runner.jobs.slots import Slot, Slots

LOOK_S = 0.5
"""Longest time between two looks at the jobs, s: at their progress, and at their ends should the
engine not tell of one."""
PATIENCE_S = 60.0
"""How long an engine that does not answer is waited for, s."""

REMOVERS = 2
"""Jobs whose rests are removed at a time, while others start."""

UNCLEAR = ("failed", "could_not_start", "interrupted")
"""Ends of a job to which a full disk may have brought it."""

Journal = Callable[..., None]
"""``journal(event, **facts)`` appends one line to the run's journal."""

Ended = Callable[[Attempt, Outcome], Sequence[Attempt] | None]
"""Is passed how an attempt ended; what it returns follows at once, before any that waits."""


@dataclass(kw_only=True)
class _Running:
    handle: Handle
    slot: Slot
    progress: JobProgress
    events: EventReader
    heartbeat: Heartbeat


def run_attempts(
    engine: Engine,
    attempts: Iterable[Attempt],
    *,
    slots: Slots,
    shown: Display,
    journal: Journal,
    ended: Ended = lambda _attempt, _outcome: None,
    cut_short: Ended | None = None,
    may_begin: Callable[[Attempt], bool] = lambda _attempt: True,
    adopted: Mapping[str, Handle] | None = None,
) -> dict[str, Outcome]:
    """Run every attempt, as many at a time as there are slots for.

    One that fails takes nothing along: the others go on. ``ended`` is called as each one ends, so
    that what is finished is kept whatever happens next; an attempt that it returns is the next to
    get a slot. ``cut_short`` is called instead for those that are stopped here. One that waits and
    of which ``may_begin`` says no is left out, and has no outcome. The jobs of
    ``adopted``, by the names of their launches, run or have ended already and are taken over. Each
    act is in the journal before it is done.

    Whatever is raised out of here, an interrupt above all, leaves no job behind; but where the
    engine is lost its jobs go on, for whoever takes them over.

    Returns:
        How each attempt ended, by the name of its launch.

    Raises:
        EngineLostError: The engine has not answered for ``PATIENCE_S``.
    """
    at_work = _AtWork(engine, attempts, slots, shown, journal, ended, cut_short or ended, may_begin)
    at_work.take_over(adopted or {})
    return at_work.run()


class _AtWork:
    """Jobs that wait, those that run, and how the others ended."""

    def __init__(
        self,
        engine: Engine,
        attempts: Iterable[Attempt],
        slots: Slots,
        shown: Display,
        journal: Journal,
        ended: Ended,
        cut_short: Ended,
        may_begin: Callable[[Attempt], bool],
    ) -> None:
        self._engine = engine
        self._waiting = deque(attempts)
        self._slots = slots
        self._shown = shown
        self._journal = journal
        self._ended = ended
        self._cut_short = cut_short
        self._may_begin = may_begin
        self._by_name = {attempt.launch.name: attempt for attempt in self._waiting}
        self._running: dict[str, _Running] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._lost_since: float | None = None
        self._waited_for: str | None = None
        self._removers = ThreadPoolExecutor(REMOVERS)

    def take_over(self, adopted: Mapping[str, Handle]) -> None:
        """Follow jobs that are there already, each in its slot."""
        for name, handle in adopted.items():
            attempt = self._by_name[name]
            self._waiting.remove(attempt)
            self._journal("adopted", name=name)
            self._follow(attempt, handle, self._slots.take_over(attempt.job, handle.gpu_ids))

    def run(self) -> dict[str, Outcome]:
        """Run all that waits, to its end."""
        try:
            self._look()  # what is taken over may have ended, and that decides what begins
            while self._waiting or self._running:
                while (found := self._next()) is not None and self._begin(*found):
                    pass
                if not self._look() and (self._running or self._waiting):
                    self._engine.wait([job.handle for job in self._running.values()], LOOK_S)
        except EngineLostError:
            raise
        except BaseException as cause:
            self._stop_all(cause)
            raise
        finally:
            self._removers.shutdown()
        return self._outcomes

    def _next(self) -> tuple[Attempt, Slot] | None:
        """The first that waits and for which there is a slot; says whom the others wait for."""
        self._waiting = deque(filter(self._may_begin, self._waiting))
        for attempt in self._waiting:
            if attempt.not_before_s > time.monotonic():
                continue
            if (slot := self._slots.take(attempt.job)) is not None:
                self._waiting.remove(attempt)
                return attempt, slot
        waits = self._slots.waits_for
        if self._waiting and waits is not None and waits != self._waited_for:
            self._shown.say(waits)
            self._waited_for = waits
        return None

    def _begin(self, attempt: Attempt, slot: Slot) -> bool:
        """Start an attempt; false where it has to wait for an engine that does not answer."""
        launch = replace(attempt.launch, gpu_ids=slot.gpu_ids, held=slot.locks)
        now = time.time()
        self._journal("intended", name=launch.name, attempt=attempt.number)
        try:
            handle = self._engine.start(launch)
        except EngineLostError as error:
            if self._engine.side_by_side is not None:
                raise  # one that is elsewhere has waited itself
            self._journal("postponed", name=launch.name)
            self._slots.give_back(slot)
            self._waiting.appendleft(attempt)
            self._wait_for_engine(error)
            return False
        except EngineError as error:
            outcome = Outcome(
                status="could_not_start",
                exit_code=None,
                message=str(error),
                started_at=now,
                ended_at=time.time(),
            )
            progress = JobProgress(launch.name, attempt.job.steps)
            self._shown.end(progress, f"{launch.name}: {outcome.message}")
            self._finish(launch.name, outcome, slot)
            return True
        self._lost_since = None
        self._follow(attempt, handle, slot)
        self._journal("started", name=launch.name, handle=vars(handle))
        return True

    def _follow(self, attempt: Attempt, handle: Handle, slot: Slot) -> None:
        job = _Running(
            handle=handle,
            slot=slot,
            progress=JobProgress(attempt.launch.name, attempt.job.steps),
            events=EventReader(attempt.launch.out_dir / NAME),
            heartbeat=Heartbeat(attempt.job),
        )
        self._running[attempt.launch.name] = job
        self._shown.begin(job.progress)

    def _look(self) -> bool:
        """See how each job gets on, and finish those that have ended; whether there were any."""
        any_ended = False
        self._shown.tick()
        for name, job in list(self._running.items()):
            try:
                outcome = self._engine.poll(job.handle)
            except EngineLostError as error:
                self._wait_for_engine(error)
                return False
            self._lost_since = None
            # Not its outputs alone: whoever removes those has its own arm fail.
            attempt = Path(job.handle.out_dir).parent
            if not attempt.is_dir():
                raise DiskError(f"{attempt} is gone while {name} is under way")
            events = job.events.new()
            job.heartbeat.listen(heard=bool(events))
            for event in events:
                self._shown.event(job.progress, job.progress.update(event))
            # After its events were heard: we may have slept for longer than the job was silent.
            outcome = outcome or self._silence(job)
            if outcome is not None:
                self._end(name, job, outcome)
                any_ended = True
        return any_ended

    def _silence(self, job: _Running) -> Outcome | None:
        """The end of a job that is silent for too long, which is stopped before."""
        if (outcome := job.heartbeat.end(job.handle)) is not None:
            self._engine.stop(job.handle)
        return outcome

    def _end(self, name: str, job: _Running, outcome: Outcome) -> None:
        with held_back():
            self._shown.end(job.progress, _last_line(name, outcome))
            self._finish(name, _noted(job, outcome, self._shown), job.slot)

    def _wait_for_engine(self, error: EngineLostError) -> None:
        now = time.monotonic()
        if self._lost_since is None:
            self._lost_since = now
            self._shown.say(f"{error}; waiting for it for {PATIENCE_S:g} s")
        if now - self._lost_since >= PATIENCE_S:
            raise error

    def _finish(self, name: str, outcome: Outcome, slot: Slot) -> None:
        """Take note of a job's end and collect what it left: as a whole, whatever signals come."""
        with held_back():
            if outcome.status in UNCLEAR:
                refuse_full(self._by_name[name].launch.out_dir, f"{name}: {outcome.message}")
            self._journal("ended", name=name, status=outcome.status, exit_code=outcome.exit_code)
            following = self._ended(self._by_name[name], outcome) or ()
            self._journal("concluded", name=name)
            self._outcomes[name] = outcome
            if (job := self._running.pop(name, None)) is not None:
                self._removers.submit(self._remove, job.handle)
            self._slots.give_back(slot)
            self._by_name.update((attempt.launch.name, attempt) for attempt in following)
            self._waiting.extendleft(reversed(following))

    def _remove(self, handle: Handle) -> None:
        """Remove what an ended job has left; once all else is over, if it cannot be now."""
        with suppress(EngineError):
            self._engine.stop(handle)

    def _stop_all(self, cause: BaseException) -> None:
        """Stop every job, whichever of them cannot be, and say of each that it was cut short.

        One that has ended by itself just now is concluded like any other.
        """
        if isinstance(cause, KeyboardInterrupt):
            for name, job in list(self._running.items()):
                with suppress(EngineError, ReaderGone):
                    if (outcome := self._engine.poll(job.handle)) is not None:
                        self._end(name, job, outcome)
        for job in self._running.values():
            with suppress(EngineError, OSError):
                self._engine.stop(job.handle)
        if isinstance(cause, (OSError, DiskError)):
            return  # nothing more can be kept; what is known is in the journal
        for name, job in self._running.items():
            # On a full disk, and where nobody reads any more, what is known is in the journal.
            with suppress(EngineError, OSError, ReaderGone):
                self._cut_short(self._by_name[name], _interrupted(job.handle, cause))


def _interrupted(handle: Handle, cause: BaseException) -> Outcome:
    text = f"{cause}; run the phase again"
    return Outcome(
        status="interrupted",
        exit_code=None,
        message=text if isinstance(cause, EngineError) else "the run was stopped while it ran",
        started_at=handle.started_at,
        ended_at=time.time(),
    )


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
