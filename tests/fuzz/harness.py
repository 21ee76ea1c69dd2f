"""Many cases on several processors: workers that can be killed, and what they found."""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import json
import mmap
import os
import re
import resource
import select
import signal
import struct
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.fuzz.outcome import Case, Finding, clean, fresh
from tests.fuzz.watch import Watch

WALL_S = 5.0
"""Of one case, asleep or computing; what it waits for a processor does not count."""
MEMORY_BYTES = 1536 * 2**20
"""Address space of a worker beyond what it begins with."""
CASES_PER_WORKER = 500
_SLOT = struct.Struct("qd")

Judge = Callable[[Case, Watch], Iterable[Finding]]
"""A target: makes the case's input, runs something on it, and tells what is wrong."""


@dataclass(kw_only=True)
class Found:
    """One distinct finding: how often, and the case that showed it first."""

    finding: Finding
    target: str
    seed: int
    number: int
    done: list[str]
    times: int = 1


@dataclass(kw_only=True)
class Tally:
    """What came of all cases of a target."""

    target: str
    cases: int = 0
    seconds: float = 0.0
    codes: Counter[str] = field(default_factory=Counter)
    """Exit codes: what is refused, and what is answered."""
    found: dict[tuple[str, ...], Found] = field(default_factory=dict)

    def add(self, case: tuple[int, int], report: Report) -> Iterator[Found]:
        """Count a case; what it shows that is new."""
        self.cases += 1
        self.codes.update(map(str, report.codes))
        for finding in report.findings:
            key = (self.target, *finding.key)
            if key in self.found:
                self.found[key].times += 1
                continue
            seed, number = case
            self.found[key] = Found(
                finding=finding, target=self.target, seed=seed, number=number, done=report.done
            )
            yield self.found[key]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of one case."""

    findings: tuple[Finding, ...]
    done: list[str]
    codes: list[int | None]


def run_one(target: str, judge: Judge, seed: int, number: int, below: Path, watch: Watch) -> Report:
    """One case, here and now."""
    with fresh(target, seed, number, below) as case:
        try:
            findings = tuple(judge(case, watch))
        except Exception:
            text = traceback.format_exc()
            place = text.splitlines()[-3].strip()
            findings = (
                Finding(kind="harness", told="the harness fails", place=place, detail=text),
            )
        return Report(findings=findings, done=case.done, codes=case.codes)


def run_many(
    target: str,
    judge: Judge,
    cases: Sequence[tuple[int, int]],
    *,
    jobs: int,
    below: Path,
    wall_s: float = WALL_S,
    tell: Callable[[Found], object] = lambda _: None,
) -> Tally:
    """Cases of a target, each a seed and a number, shared out among ``jobs`` workers."""
    tally = Tally(target=target)
    started = time.monotonic()
    workers = [
        Worker(target, judge, cases[job::jobs], below / f"{target}-{job}", wall_s)
        for job in range(min(jobs, len(cases)))
    ]
    try:
        while live := [worker for worker in workers if worker.pid]:
            select.select([worker.pipe for worker in live], [], [], 0.2)
            for worker in live:
                for case, report in worker.look():
                    for new in tally.add(case, report):
                        tell(new)
    finally:
        for worker in workers:
            worker.kill()
    tally.seconds = time.monotonic() - started
    return tally


class Worker:
    """A process that runs case after case and is replaced when one of them kills it."""

    def __init__(
        self,
        target: str,
        judge: Judge,
        cases: Iterable[tuple[int, int]],
        below: Path,
        wall_s: float,
    ) -> None:
        self.target, self.judge, self.below, self.wall_s = target, judge, below, wall_s
        self._cases = dict(enumerate(cases))
        self._slot = mmap.mmap(-1, _SLOT.size)
        self.pid = 0
        self.pipe = -1
        self._buffer = b""
        self._at = (-1, 0, 0)
        self._moved = 0.0
        self._start()

    def _start(self) -> None:
        if not self._cases:
            self.pid = 0
            return
        self._slot[:] = _SLOT.pack(-1, time.monotonic())
        read, write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if not self.pid:
            os.close(read)
            try:
                self._work(write)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.close(write)
        os.set_blocking(read, False)
        self.pipe, self._buffer = read, b""

    def _work(self, write: int) -> None:
        self.below.mkdir(parents=True, exist_ok=True)
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # goes with its parent
        stacks = (self.below / "stacks.txt").open("w")
        faulthandler.register(signal.SIGUSR1, stacks, all_threads=True)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + MEMORY_BYTES,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        watch = Watch()
        for key, (seed, number) in list(self._cases.items())[:CASES_PER_WORKER]:
            self._slot[:] = _SLOT.pack(key, time.monotonic())
            report = run_one(self.target, self.judge, seed, number, self.below, watch)
            _write_line(write, [key, asdict(report)])
            self._slot[:] = _SLOT.pack(-1, time.monotonic())
        gc.collect()

    def look(self) -> Iterator[tuple[tuple[int, int], Report]]:
        """What was run since the last look; the worker is replaced if it hangs or has died."""
        ended = self._read()
        yield from self._parsed()
        if ended:
            key, _ = _SLOT.unpack(self._slot[:])
            _, status = os.waitpid(self.pid, 0)
            os.close(self.pipe)
            yield from self._lost(key, Finding(kind="crash", told=f"it died: status {status}"))
            self._start()
        elif self._hangs():
            key, _ = _SLOT.unpack(self._slot[:])
            stack = self._stack()
            self.kill()
            yield from self._parsed()
            yield from self._lost(key, stack)
            self._start()

    def _lost(self, key: int, finding: Finding) -> Iterator[tuple[tuple[int, int], Report]]:
        """The report of a case that took its worker along."""
        if case := self._finish(key):
            clean(self.below / f"{self.target}-{case[0]}-{case[1]}")
            yield case, Report(findings=(finding,), done=[], codes=[])

    def _read(self) -> bool:
        while True:
            try:
                block = os.read(self.pipe, 1 << 20)
            except BlockingIOError:
                return False
            if not block:
                return True
            self._buffer += block

    def _parsed(self) -> Iterator[tuple[tuple[int, int], Report]]:
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            key, report = json.loads(line)
            report["findings"] = tuple(Finding(**one) for one in report["findings"])
            if case := self._finish(key):
                yield case, Report(**report)

    def _finish(self, key: int) -> tuple[int, int] | None:
        """Take a case off the list; it, unless it was taken off before."""
        return self._cases.pop(key, None)

    def _hangs(self) -> bool:
        """Whether the case sleeps or computes for too long; waiting for a processor is neither."""
        number, since = _SLOT.unpack(self._slot[:])
        ticks, asleep = self._pulse()
        if number != self._at[0]:
            self._at = number, ticks, ticks
        spent_s = (ticks - self._at[1]) / os.sysconf("SC_CLK_TCK")
        if not asleep or ticks != self._at[2]:
            self._moved = time.monotonic()
        self._at = number, self._at[1], ticks
        still = time.monotonic() - self._moved > self.wall_s / 2
        waited = time.monotonic() - since
        if number < 0 or waited < self.wall_s:
            return False
        return still or spent_s > self.wall_s or waited > 20 * self.wall_s

    def _pulse(self) -> tuple[int, bool]:
        """Processor time so far, in ticks, and whether no thread wants any more."""
        try:
            states = [_stat(path) for path in Path(f"/proc/{self.pid}/task").iterdir()]
            fields = _stat(Path(f"/proc/{self.pid}"))
        except (OSError, IndexError):
            return 0, False
        return int(fields[11]) + int(fields[12]), all(state[0] == "S" for state in states)

    def _stack(self) -> Finding:
        os.kill(self.pid, signal.SIGUSR1)
        time.sleep(0.3)
        text = (self.below / "stacks.txt").read_text()
        frames = [line for line in text.splitlines() if "/runner/" in line or "/models/" in line]
        inner = frames[0].strip() if frames else "?"
        named = re.search(r'File "[^"]*/((?:runner|models)/[^"]+)", line (\d+) in (\S+)', inner)
        place = f"{named[1]}:{named[3]}" if named else inner
        return Finding(
            kind="hang", told=f"longer than {self.wall_s:g} s", place=place, detail=text[-3000:]
        )

    def kill(self) -> None:
        """End the worker."""
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                self._read()
                os.close(self.pipe)
            except (ProcessLookupError, ChildProcessError, OSError):
                pass
            self.pid = 0


def _stat(path: Path) -> list[str]:
    return (path / "stat").read_text().rpartition(")")[2].split()


def _write_line(write: int, told: list[object]) -> None:
    block = json.dumps(told).encode() + b"\n"
    while block:
        block = block[os.write(write, block) :]
