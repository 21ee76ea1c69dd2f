"""How far all arms of a phase are together, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from statistics import fmean

from runner.experiment import EXPERIMENT
from runner.jobs.job_progress import JobProgress, clock
from runner.plan.model import ArmJob


class Overall:
    """The arms of a phase: how many have ended, and what is known of the others' times.

    ``waiting`` names those that have not ended; ``side_by_side`` is how many run at a time.
    """

    def __init__(
        self,
        arms: Sequence[ArmJob],
        *,
        waiting: Collection[str],
        side_by_side: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = len(arms)
        self._estimates = {arm.name: estimate(arm) for arm in arms if arm.name in waiting}
        self._waiting = set(self._estimates)
        self._side_by_side = side_by_side
        self._jobs: dict[str, JobProgress] = {}
        self._began: dict[str, float] = {}
        self._took: list[float] = []
        self._now = now

    @property
    def ended(self) -> int:
        """How many arms have ended."""
        return self.total - len(self._waiting)

    def begin(self, job: JobProgress) -> None:
        """A job has begun, which counts if it is an arm; one that is run again has not ended."""
        if job.name in self._estimates:
            self._waiting.add(job.name)
            self._jobs[job.name] = job
            self._began[job.name] = self._now()

    def end(self, job: JobProgress) -> None:
        """A job has ended."""
        if job.name in self._waiting:
            self._waiting.discard(job.name)
            if (began := self._began.get(job.name)) is not None:  # else it could not start
                self._took.append(self._now() - began)

    def seconds_left(self) -> float | None:
        """Rough time to the end of the last arm; ``None`` where nothing tells."""
        left = [self._left(name) for name in self._waiting]
        known = [one for one in left if one is not None]
        if not known or len(known) < len(left):
            return None
        return max(*known, sum(known) / self._side_by_side) if len(known) > 1 else known[0]

    def _left(self, name: str) -> float | None:
        """Of one arm: by its own pace, or by its estimate and how the others held to theirs."""
        job = self._jobs.get(name)
        if job is not None and (left := job.seconds_left()) is not None:
            return left
        estimated = self._estimates[name]
        if estimated is not None:
            return estimated * ratio(self._jobs, self._estimates)
        return fmean(self._took) if self._took else None

    def text(self) -> str:
        """``12/40 arms, about 0:12:00 left``."""
        left = self.seconds_left()
        about = "" if left is None else f", about {clock(left)} left"
        return f"{self.ended}/{self.total} arms{about}"


def estimate(arm: ArmJob) -> float | None:
    """Time of an arm's fit by formula, s; ``None`` where there is none, as on a GPU."""
    if not arm.is_known or arm.steps is None or arm.execution.device != "cpu":
        return None
    return EXPERIMENT.costs.cpu_seconds(arm.values, arm.steps, arm.execution.threads)


def ratio(jobs: Mapping[str, JobProgress], estimates: Mapping[str, float | None]) -> float:
    """Mean of measured times over estimated ones; 1 where no arm has a pace yet."""
    found = [
        whole / estimated
        for name, job in jobs.items()
        if (estimated := estimates[name]) and (whole := job.whole_s) is not None
    ]
    return fmean(found) if found else 1.0
