"""Who a process is: its id alone may be another's tomorrow."""

from __future__ import annotations

import os
import select
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import psutil

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
ENDED = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


def identity(pid: int) -> str:
    """``pid:start``, with the start in clock ticks since the boot.

    Raises ``ProcessLookupError`` when there is no such process.
    """
    try:
        return _identity(psutil.Process(pid))
    except psutil.NoSuchProcess:
        raise ProcessLookupError(pid) from None


def pid_of(identity: str) -> int:
    """The process id in an identity."""
    return int(identity.partition(":")[0])


def runs(identity: str) -> bool:
    """Whether this very process runs; one that is dead and waits to be reaped does not."""
    try:
        process = psutil.Process(pid_of(identity))
        return _identity(process) == identity and process.status() not in ENDED
    except psutil.NoSuchProcess:
        return False


def wait_for_end(pids: Iterable[int], at_most_s: float) -> None:
    """Return as soon as one of the processes has ended, or else after ``at_most_s``."""
    with ExitStack() as opened:
        ends = select.poll()
        for pid in pids:
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                return
            except OSError:  # no descriptor is left: the time will pass
                continue
            opened.callback(os.close, descriptor)
            ends.register(descriptor, select.POLLIN)
        ends.poll(1000 * at_most_s)


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Identity and command line of the processes that have one and that we may read."""
    for pid in psutil.pids():
        try:
            process = psutil.Process(pid)
            if words := process.cmdline():
                yield _identity(process), words
        except psutil.Error:  # it ended just now, or is another user's
            continue


def _identity(process: psutil.Process) -> str:
    return f"{process.pid}:{_start(process)}"


def _start(process: psutil.Process) -> int:
    """When a process started, in clock ticks since the boot, which setting the clock leaves alone.

    psutil tells the time of day: it adds the time of the boot, which changes with the clock. Two
    runners must see the same start though the clock was set in between, so it is taken off again.
    """
    while True:
        boot_s = psutil.boot_time()
        start_s = process.create_time() - boot_s
        if psutil.boot_time() == boot_s:  # else the clock was set just now
            return round(start_s * TICKS_PER_S)
