"""Signs of life: an arm that writes no event any more is stopped, if its manifest says when."""

from __future__ import annotations

import time
from collections.abc import Callable

from runner.engines.base import Handle, Outcome
from runner.plan.model import Job

MOST_AT_A_LOOK_S = 10.0
"""Most that one look adds to a silence, s: a runner that was frozen has not heard what came
meanwhile, nor has a job that was frozen with it had time to say anything."""


class Heartbeat:
    """How long an arm has been silent, by the clock of this boot, as far as anybody listened.

    It begins when the arm is started, or taken over by another process.
    """

    def __init__(self, job: Job, clock: Callable[[], float] = time.monotonic) -> None:
        limit = job.resources.silent_for_min if job.experiment == "train" else None
        self._limit_min, self._clock = limit, clock
        self._looked, self._silent_s = clock(), 0.0

    def listen(self, *, heard: bool) -> None:
        """Take note of a look at the events, and whether there was one."""
        now = self._clock()
        self._silent_s += min(now - self._looked, MOST_AT_A_LOOK_S)
        self._looked = now
        if heard:
            self._silent_s = 0.0

    def end(self, handle: Handle) -> Outcome | None:
        """How the arm ends that has been silent for too long; ``None`` for any other."""
        if self._limit_min is None or self._silent_s < 60 * self._limit_min:
            return None
        return Outcome(
            status="silent",
            exit_code=None,
            message=(
                f"no sign of life for {self._limit_min:g} min: it wrote no event, and was stopped; "
                "raise resources.silent_for_min if it can take as long as that, or see its log"
            ),
            started_at=handle.started_at,
            ended_at=time.time(),
        )
