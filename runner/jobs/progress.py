"""What the user sees while jobs run: live bars on a terminal, plain lines in a log file.

Jobs tell how they get on through ``events.jsonl``; an engine plays no part in it.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, Self

from runner.core.text import behind, visible
from runner.experiment import EXPERIMENT
from runner.jobs.events import UNIT, Event, Stage, Started, StepDone, UnitDone

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import TaskID

STEPS_TO_TIME = 10
"""Steps after which the time of the whole is told; the first ones are slower than the rest."""
LONGEST_DAYS = 1000
"""A longer time is not told in full."""


class JobProgress:
    """How far one job has come, by its events."""

    def __init__(self, name: str, total_steps: int | None) -> None:
        self.name = name
        self.total_steps = total_steps
        self.units: int | None = None
        self.steps_done = 0
        self.steps_per_s: float | None = None
        self.stage = "starting"
        self._steps_per_unit: int | None = None
        self._estimated = False

    def update(self, event: Event) -> str | None:
        """Take an event in; returns the plain line that it is worth, if any."""
        match event:
            case Started():
                self.units, self._steps_per_unit = event.units, event.steps_per_unit
            case Stage():
                self.stage = event.stage
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
        whole = _clock(self.total_steps / self.steps_per_s)
        return (
            f"{self.name}: {self.total_steps} steps at {self.steps_per_s:.3g} steps/s, "
            f"about {whole} in all"
        )

    def _take_unit(self, event: UnitDone) -> str:
        done = event.number + 1
        self.steps_per_s = event.steps_per_s or self.steps_per_s
        if self._steps_per_unit:
            self.steps_done = done * self._steps_per_unit
        self.stage = "  ".join(f"{word} {_number(value)}" for word, value in event.shown)
        return f"{self.name}: {UNIT} {done}/{self.units}  {self.stage}  {self.pace()}"

    def pace(self) -> str:
        """Steps per second and time left, as far as they are known."""
        if self.steps_per_s is None:
            return ""
        text = f"{self.steps_per_s:.3g} steps/s"
        if self.total_steps:
            left = max(0, self.total_steps - self.steps_done) / self.steps_per_s
            text += f"  {_clock(left)} left"
        return text


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _clock(seconds: float) -> str:
    if seconds > timedelta(days=LONGEST_DAYS).total_seconds():
        return f"more than {LONGEST_DAYS} days"
    return str(timedelta(seconds=round(seconds)))


class Display(Protocol):
    """Where progress is shown."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def say(self, text: str) -> None:
        """Print one line that stays."""

    def begin(self, job: JobProgress) -> None:
        """Show a job from now on."""

    def event(self, job: JobProgress, line: str | None) -> None:
        """A job has got on; ``line`` is what a log file should say about it."""

    def end(self, job: JobProgress, line: str) -> None:
        """A job has ended."""


class PlainDisplay:
    """Lines on stderr, for log files."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def say(self, text: str) -> None:
        """Print one line."""
        print(text, file=sys.stderr, flush=True)

    def begin(self, job: JobProgress) -> None:
        """Print that a job starts."""
        self.say(f"{job.name}: started")

    def event(self, job: JobProgress, line: str | None) -> None:  # noqa: ARG002 - see Display
        """Print the line, if there is one."""
        if line:
            self.say(line)

    def end(self, job: JobProgress, line: str) -> None:  # noqa: ARG002 - see Display
        """Print how the job ended."""
        self.say(line)


class LiveDisplay:
    """Bars on a terminal, one a job, on stderr."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[stage]}  {task.fields[pace]}", style="dim"),
            # The bars are drawn with terminal codes of ours; all words pass through `visible`.
            console=Console(file=behind(sys.stderr), highlight=False, markup=False),
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # of a terminal that was closed
            self._progress.stop()

    def say(self, text: str) -> None:
        """Print one line above the bars."""
        self._progress.console.print(visible(text), soft_wrap=True)

    def begin(self, job: JobProgress) -> None:
        """Add a bar."""
        self._tasks[job.name] = self._progress.add_task(
            job.name, total=job.total_steps, stage=job.stage, pace=""
        )

    def event(self, job: JobProgress, line: str | None) -> None:  # noqa: ARG002 - see Display
        """Move the bar."""
        self._progress.update(
            self._tasks[job.name],
            completed=job.steps_done,
            stage=visible(job.stage),
            pace=job.pace(),
        )

    def end(self, job: JobProgress, line: str) -> None:
        """Take the bar away and print how the job ended."""
        self._progress.remove_task(self._tasks.pop(job.name))
        self._progress.refresh()
        self.say(line)


def display() -> Display:
    """Bars when stderr is a terminal, plain lines otherwise."""
    return LiveDisplay() if sys.stderr.isatty() else PlainDisplay()
