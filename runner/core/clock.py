"""Which start of the machine this is: its clock since then is that of all processes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot_id() -> str:
    """What Linux calls this start of the machine; empty where nothing tells."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""
