"""One engine for a while: jobs run in it, and afterwards nothing of them is left behind."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypedDict, Unpack

from runner.core.caches import in_use
from runner.core.errors import EngineError, EngineLostError
from runner.core.installation import state_dir
from runner.core.interrupts import insisted
from runner.engines.base import Engine, Handle, Outcome
from runner.jobs.attempts import Attempt
from runner.jobs.devices import reserve_slots
from runner.jobs.progress import Display
from runner.jobs.schedule import Ended, Journal, run_attempts
from runner.jobs.slots import Slots


class Hooks(TypedDict, total=False):
    """What ``run_attempts`` asks and tells on its way, as it describes them."""

    ended: Ended
    cut_short: Ended
    may_begin: Callable[[Attempt], bool]
    adopted: Mapping[str, Handle]


def _nowhere(_event: str, **_facts: object) -> None:
    """The journal of jobs that nobody goes on with."""


def _nobody(_text: str) -> None:
    """Take a note that nobody reads."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """An engine that is open, where it is shown what goes on, and whose jobs these are."""

    engine: Engine
    shown: Display
    run_id: str = field(default_factory=lambda: secrets.token_hex(8))
    """Tells its jobs from those of any other on the same daemon."""
    journal: Journal = _nowhere
    note: Callable[[str], object] = _nobody
    """Is passed what a reader of the results must know of the devices."""
    side_by_side: int | None = None
    """How many jobs at a time; ``None`` for as many as there is room for."""
    resumable: bool = False
    """Whether another process can take its jobs over."""

    def run(
        self,
        attempts: Sequence[Attempt],
        **hooks: Unpack[Hooks],
    ) -> dict[str, Outcome]:
        """Run jobs side by side, in the order given, as devices and cores leave room.

        Returns how each ended, by its launch's name. Raises as ``reserve_slots`` and
        ``run_attempts`` do.
        """
        if not attempts:
            return {}
        if (most := self.engine.side_by_side) is not None:
            elsewhere = Slots(self.side_by_side or most, elsewhere=True)
            return self._run(attempts, elsewhere, **hooks)
        jobs = [one.job for one in attempts]
        with reserve_slots(jobs, self.note, self.side_by_side) as slots:
            return self._run(attempts, slots, **hooks)

    def run_alone(self, attempt: Attempt) -> Outcome:
        """Run one job on the CPU while none of this session's others runs; how it ended."""
        elsewhere = self.engine.side_by_side is not None
        return self._run([attempt], Slots(elsewhere=elsewhere))[attempt.launch.name]

    def _run(
        self, attempts: Sequence[Attempt], slots: Slots, **hooks: Unpack[Hooks]
    ) -> dict[str, Outcome]:
        return run_attempts(
            self.engine, attempts, slots=slots, shown=self.shown, journal=self.journal, **hooks
        )


@contextmanager
def cleaned_up(session: Session) -> Iterator[Session]:
    """Have nothing of a session's jobs left when the block ends, however it does.

    But where another process can take them over, they go on without an engine that answers, and
    when the user has interrupted twice.
    """
    try:
        with in_use(state_dir()):
            yield session
    except BaseException as error:
        lost = isinstance(error, EngineLostError) or insisted()
        if not (session.resumable and lost):
            with suppress(EngineError):  # the first error is the one to tell
                session.engine.remove_leftovers(session.run_id)
        raise
    with suppress(EngineError):
        session.engine.remove_leftovers(session.run_id)
