"""Jobs on a terminal while they run: a line for each, and one for all."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from runner.core.text import behind, visible
from runner.jobs.job_progress import JobProgress, clock
from runner.jobs.overall import Overall

if TYPE_CHECKING:
    from types import TracebackType

BAR, SPARKS = 12, 10
"""Widths, characters."""
LONGEST_NAME = 20
LEVELS = "▁▂▃▄▅▆▇█"
QUIET, DONE, REST = "dim", "cyan", "bright_black"


class LiveDisplay:
    """Lines at the foot of a terminal, on stderr; what stays is printed above them."""

    def __init__(self) -> None:
        # The lines are drawn with terminal codes of ours; all words pass through `visible`.
        self._console = Console(file=behind(sys.stderr), highlight=False, markup=False)
        self._jobs: dict[str, JobProgress] = {}
        self._overall: Overall | None = None
        self._live = Live(
            get_renderable=self._drawn,
            console=self._console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # of a terminal that was closed
            self._live.stop()

    def _drawn(self) -> Group:
        jobs = list(self._jobs.values())  # this is another thread
        return Group(*lines(jobs, self._overall, self._console.width))

    def say(self, text: str) -> None:
        """Print one line above."""
        self._console.print(visible(text), soft_wrap=True)

    def expect(self, overall: Overall) -> None:
        """Show from now on how far all arms are."""
        self._overall = overall

    def tick(self) -> None:
        """Nothing: the lines are drawn again and again by themselves."""

    def begin(self, job: JobProgress) -> None:
        """Add a line."""
        self._jobs[job.name] = job
        if self._overall:
            self._overall.begin(job)

    def event(self, job: JobProgress, line: str | None) -> None:
        """Nothing: the next drawing shows it."""

    def end(self, job: JobProgress, line: str) -> None:
        """Take its line away and print how the job ended."""
        self._jobs.pop(job.name, None)
        if self._overall:
            self._overall.end(job)
        self.say(line)


def lines(jobs: Sequence[JobProgress], overall: Overall | None, width: int) -> list[Text]:
    """A line for each job, none wider than the terminal, and one for all of them."""
    names = [visible(job.name) for job in jobs]
    wide = min(LONGEST_NAME, max(map(len, names), default=0))
    drawn = [of_job(job, name, wide) for job, name in zip(jobs, names, strict=True)]
    if overall is not None:
        drawn.append(Text(overall.text(), style="bold"))
    for line in drawn:
        line.truncate(width - 1, overflow="ellipsis")
    return drawn


def of_job(job: JobProgress, name: str, wide: int) -> Text:
    """Name, bar or stage, how much is done, time left, and how the fit has gone so far."""
    shown = Text(name)
    shown.truncate(wide, overflow="ellipsis", pad=True)
    shown.append("  ")
    if (part := job.part) is None:
        shown.append(visible(job.doing).ljust(BAR), style=QUIET)
    else:
        full = int(part * BAR)
        shown.append("━" * full, style=DONE)
        shown.append("━" * (BAR - full), style=REST)
    shown.append(f"  {job.count:>7}")
    if (left := job.seconds_left()) is not None:
        shown.append(f"  {clock(left)} left")
    if job.curve:
        shown.append("  ")
        shown.append(sparks(job.curve).ljust(SPARKS), style=DONE)
    if job.values:
        shown.append(f"  {visible(job.values)}", style=QUIET)
    return shown


def sparks(curve: Iterable[float]) -> str:
    """The last numbers of a curve as heights between its least and its greatest."""
    last = list(curve)[-SPARKS:]
    least, most = min(last), max(last)
    if not most - least > 0:
        return LEVELS[0] * len(last)
    # Halved, so that the greatest numbers there are have a difference.
    of = (most / 2 - least / 2) / (len(LEVELS) - 1)
    return "".join(LEVELS[min(len(LEVELS) - 1, round((one / 2 - least / 2) / of))] for one in last)
