"""What the kernel's log says of a container: which daemon runs it does not matter there."""

from __future__ import annotations

import os
from pathlib import Path

KERNEL_LOG = Path("/dev/kmsg")
RECORD_BYTES = 8192
"""The longest record; one is read at a time."""
KILL = b"oom-kill:constraint=CONSTRAINT_MEMCG"
LIMITED = b"oom_memcg="
"""What stands before the cgroup whose limit was reached."""


def ran_out_of_memory(container_id: str) -> bool:
    """Whether the kernel has killed a process of a container because that reached its own limit.

    False, too, where the log cannot be read, as root alone may on many machines, or has lost it.
    """
    try:
        log = os.open(KERNEL_LOG, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return _names(log, container_id.encode())
    finally:
        os.close(log)


def _names(log: int, container_id: bytes) -> bool:
    while True:
        try:
            record = os.read(log, RECORD_BYTES)
        except BrokenPipeError:  # what was to be read next is overwritten; reading goes on
            continue
        except OSError:  # its end, above all
            return False
        if KILL in record and container_id in record.partition(LIMITED)[2].partition(b",")[0]:
            return True
        if not record:
            return False
