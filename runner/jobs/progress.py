"""What the user sees while jobs run: live lines on a terminal, lines with times in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, Self

from runner.core.text import briefly
from runner.jobs.job_progress import JobProgress as JobProgress
from runner.jobs.overall import Overall

if TYPE_CHECKING:
    from types import TracebackType

SUMMARY_S = 60.0
"""Time from one summary in a log file to the next, s."""


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

    def expect(self, overall: Overall) -> None:
        """Show from now on how far all arms are."""

    def tick(self) -> None:
        """Is called again and again while jobs run, whether anything happens or not."""

    def begin(self, job: JobProgress) -> None:
        """Show a job from now on."""

    def event(self, job: JobProgress, line: str | None) -> None:
        """A job has got on; ``line`` is what a log file should say about it."""

    def end(self, job: JobProgress, line: str) -> None:
        """A job has ended."""


class PlainDisplay:
    """Lines on stderr, for log files: each with the time, and a summary every minute."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._summed_up = now, now()
        self._jobs: dict[str, JobProgress] = {}
        self._overall: Overall | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def say(self, text: str) -> None:
        """Print one line, behind the time in UTC."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        print(f"{stamp} {text}", file=sys.stderr, flush=True)

    def expect(self, overall: Overall) -> None:
        """Have the summaries say how far all arms are."""
        self._overall = overall

    def tick(self) -> None:
        """Sum up, if the last time was a minute ago and a job runs."""
        if self._jobs and self._now() - self._summed_up >= SUMMARY_S:
            self._summed_up = self._now()
            running = briefly([f"{job.name} ({job.brief})" for job in self._jobs.values()])
            self.say("; ".join([*([self._overall.text()] if self._overall else []), running]))

    def begin(self, job: JobProgress) -> None:
        """Print that a job starts."""
        self._jobs[job.name] = job
        if self._overall:
            self._overall.begin(job)
        self.say(f"{job.name}: started")

    def event(self, job: JobProgress, line: str | None) -> None:  # noqa: ARG002 - see Display
        """Print the line, if there is one."""
        if line:
            self.say(line)

    def end(self, job: JobProgress, line: str) -> None:
        """Print how the job ended."""
        self._jobs.pop(job.name, None)
        if self._overall:
            self._overall.end(job)
        self.say(line)


def display() -> Display:
    """Live lines when stderr is a terminal, plain ones otherwise."""
    if not sys.stderr.isatty():
        return PlainDisplay()
    from runner.jobs.live import LiveDisplay

    return LiveDisplay()
