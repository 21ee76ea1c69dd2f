"""How much memory and time an arm will take, in words."""

from __future__ import annotations

GIB = 2**30


def gibibytes(size: float) -> str:
    """A size in GiB with one decimal, two below one; a small one in MiB or KiB."""
    if size >= GIB / 16:
        return f"{size / GIB:.{1 if size >= GIB else 2}f} GiB"
    return f"{size / 2**20:.0f} MiB" if size >= 1 << 20 else f"{size / 2**10:.0f} KiB"


def duration(seconds: float) -> str:
    """A time in the largest unit that it fills."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
