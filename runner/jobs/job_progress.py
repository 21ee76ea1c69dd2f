"""How far one job is: what its events say of it, in numbers and in words.

Jobs tell how they get on through ``events.jsonl``; an engine plays no part in it.
"""

from __future__ import annotations

from collections import deque
from datetime import timedelta

from runner.experiment import EXPERIMENT
from runner.jobs.events import UNIT, Event, Stage, Started, StepDone, UnitDone

STEPS_TO_TIME = 10
"""Steps after which the time of the whole is shown; the first ones are slower than the rest."""
LONGEST_DAYS = 1000
"""A longer time is not shown in full."""
LONGEST_CURVE = 100
"""Most points that are kept of how a fit went."""


class JobProgress:
    """How far one job has come, by its events."""

    def __init__(self, name: str, total_steps: int | None) -> None:
        self.name = name
        self.total_steps = total_steps
        self.units: int | None = None
        self.steps_done = 0
        self.steps_per_s: float | None = None
        self.stage = "starting"
        self.doing = "starting"
        """The stage that it is in, whatever came out of it so far."""
        self.curve: deque[float] = deque(maxlen=LONGEST_CURVE)
        """The first of the numbers that each unit of the fit came to."""
        self._steps_per_unit: int | None = None
        self._estimated = False
        self._units_done = 0
        self._came_to = ""

    def update(self, event: Event) -> str | None:
        """Take an event in; returns the plain line that it is worth, if any."""
        match event:
            case Started():
                self.units, self._steps_per_unit = event.units, event.steps_per_unit
            case Stage():
                self.stage = self.doing = event.stage
                return (
                    None
                    if self.stage == EXPERIMENT.progress.fitting
                    else f"{self.name}: {self.stage}"
                )
            case StepDone():
                return self._take_step(event)
            case UnitDone():
                return self._take_unit(event)
        return None

    def _take_step(self, event: StepDone) -> str | None:
        self.steps_done = event.step + 1
        self.steps_per_s = event.steps_per_s or self.steps_per_s
        if self._estimated or self.steps_done < STEPS_TO_TIME:
            return None
        if self.steps_per_s is None or self.total_steps is None:
            return None
        self._estimated = True
        whole = clock(self.total_steps / self.steps_per_s)
        return (
            f"{self.name}: {self.total_steps} steps at {self.steps_per_s:.3g} steps/s, "
            f"about {whole} in all"
        )

    def _take_unit(self, event: UnitDone) -> str:
        done = self._units_done = event.number + 1
        self.steps_per_s = event.steps_per_s or self.steps_per_s
        if self._steps_per_unit:
            self.steps_done = done * self._steps_per_unit
        self.stage = self._came_to = "  ".join(
            f"{word} {_number(value)}" for word, value in event.shown
        )
        if event.shown and (first := event.shown[0][1]) is not None:
            self.curve.append(first)
        return f"{self.name}: {UNIT} {done}/{self.units}  {self.stage}  {self.pace()}"

    @property
    def part(self) -> float | None:
        """The part of the fit that is done, below 1; ``None`` before it and after it."""
        if self.doing != EXPERIMENT.progress.fitting or not self.total_steps:
            return None
        part = self.steps_done / self.total_steps
        return part if part < 1 else None

    @property
    def count(self) -> str:
        """Units of the fit that are done, of how many: ``12/50``."""
        return f"{self._units_done}/{self.units}" if self.units else ""

    @property
    def values(self) -> str:
        """What the last unit came to."""
        return self._came_to

    @property
    def brief(self) -> str:
        """Where it is, in a word or two."""
        return f"{UNIT} {self.count}" if self.part is not None and self.count else self.doing

    @property
    def whole_s(self) -> float | None:
        """Time of the whole fit at the present pace, s."""
        if self.steps_per_s is None or not self.total_steps:
            return None
        return self.total_steps / self.steps_per_s

    def seconds_left(self) -> float | None:
        """Time of the rest of the fit at the present pace, s."""
        if self.steps_per_s is None or not self.total_steps:
            return None
        return max(0, self.total_steps - self.steps_done) / self.steps_per_s

    def pace(self) -> str:
        """Steps per second and time left, as far as they are known."""
        if self.steps_per_s is None:
            return ""
        text = f"{self.steps_per_s:.3g} steps/s"
        if (left := self.seconds_left()) is not None:
            text += f"  {clock(left)} left"
        return text


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def clock(seconds: float) -> str:
    """A time span as a clock shows it: ``0:12:00``."""
    if seconds > timedelta(days=LONGEST_DAYS).total_seconds():
        return f"more than {LONGEST_DAYS} days"
    return str(timedelta(seconds=round(seconds)))
