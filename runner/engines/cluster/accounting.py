"""Slurm's accounting, where a site has one: it remembers jobs that the queue has forgotten."""

from __future__ import annotations

import os
import shutil
from datetime import date, timedelta

from runner.engines.cluster.queue import ENDED, Entry, run

FORMAT = "JobIDRaw,State,Reason"


def ended_as(name: str, started_at: float) -> Entry | None:
    """How a job ended that began at that time, s since 1970, as the accounting has it.

    ``None`` where there is no accounting, or where that knows of no end of such a job.
    """
    if shutil.which("sacct") is None:
        return None
    since = date.fromtimestamp(started_at) - timedelta(days=1)
    words = ["--noheader", "--parsable2", "--allocations", f"--user={os.getuid()}"]
    asked = [f"--name={name}", f"--starttime={since.isoformat()}", f"--format={FORMAT}"]
    done = run(["sacct", *words, *asked])
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    for line in reversed([line for line in lines if line.count("|") == FORMAT.count(",")]):
        number, state, reason = line.split("|")
        if (short := state.partition(" ")[0]) in ENDED:  # of "CANCELLED by 1000"
            return Entry(name=name, number=number, state=short, reason=reason, comment="")
    return None
